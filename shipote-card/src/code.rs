//! The stable names of every problem that a card can have, in one place; scripts match on them.

macro_rules! codes {
    ($(#[doc = $doc:literal] $name:ident = $code:literal;)*) => {
        $(#[doc = $doc] pub const $name: &str = $code;)*

        /// Every code with its meaning, in the order of this file.
        pub const ALL: &[(&str, &str)] = &[$(($code, $doc)),*];
    };
}

codes! {
    /// The text is not well-formed TOML or JSON.
    SYNTAX = "syntax";
    /// The text begins with a byte order mark, which is skipped.
    BYTE_ORDER_MARK = "byte_order_mark";
    /// Tables or arrays are nested deeper than any card needs.
    TOO_DEEP = "too_deep";
    /// A key stands twice in one table.
    DUPLICATE_KEY = "duplicate_key";
    /// One thing is said in a short form and in its full form, or in two short forms.
    GIVEN_TWICE = "given_twice";
    /// A key that means nothing here.
    UNKNOWN_KEY = "unknown_key";
    /// A key that must be there is not.
    MISSING_KEY = "missing_key";
    /// A value of another type than the one that is needed.
    WRONG_TYPE = "wrong_type";
    /// A text that is none of the values that the key knows.
    UNKNOWN_VALUE = "unknown_value";
    /// A number that is too small or too large.
    OUT_OF_RANGE = "out_of_range";
    /// A span of time, an amount of memory or a number of processors that can't be read.
    BAD_UNIT = "bad_unit";
    /// A pipeline of several nodes that says neither `chain` nor `edges`.
    MISSING_EDGES = "missing_edges";
    /// There are more problems than are listed.
    MORE_PROBLEMS = "more_problems";
    /// A card that declares nothing.
    EMPTY_CARD = "empty_card";
    /// A label that breaks the rule for labels.
    BAD_LABEL = "bad_label";
    /// Two things of one kind with one label.
    DUPLICATE_LABEL = "duplicate_label";
    /// A pipeline that names another workspace than the one of its card.
    OTHER_WORKSPACE = "other_workspace";
    /// A pipeline without a node.
    NO_NODES = "no_nodes";
    /// A command without a program.
    EMPTY_PROGRAM = "empty_program";
    /// A NUL byte in what becomes an argument, a variable or a path.
    NUL_BYTE = "nul_byte";
    /// The name of an environment variable that is empty or has a `=`.
    BAD_VARIABLE = "bad_variable";
    /// A path that is not absolute, or climbs with `..`.
    RELATIVE_PATH = "relative_path";
    /// A host name that sethostname(2) or its readers would not take.
    BAD_HOSTNAME = "bad_hostname";
    /// Something that needs a namespace which the workspace does not have.
    NEEDS_NAMESPACE = "needs_namespace";
    /// A flow directory whose name can't become a variable.
    BAD_FLOW_NAME = "bad_flow_name";
    /// Two flow directories with one name, one variable or one path.
    DUPLICATE_FLOW_DIR = "duplicate_flow_dir";
    /// A lifetime of zero.
    ZERO_TTL = "zero_ttl";
    /// A first delay above the longest delay.
    BACKOFF_ABOVE_MAX = "backoff_above_max";
    /// A command of which no exit code counts as success.
    NO_SUCCESS_CODE = "no_success_code";
    /// An exit code that is listed twice.
    REPEATED_SUCCESS_CODE = "repeated_success_code";
    /// A stop signal that is not one of the known names.
    UNKNOWN_SIGNAL = "unknown_signal";
    /// A command that waits for one that is not there.
    UNKNOWN_COMMAND = "unknown_command";
    /// An edge to or from a node that is not there.
    UNKNOWN_NODE = "unknown_node";
    /// An edge to or from a port that a node does not have.
    UNKNOWN_PORT = "unknown_port";
    /// An edge from a node to itself.
    SELF_EDGE = "self_edge";
    /// Two edges between the same two ports.
    DUPLICATE_EDGE = "duplicate_edge";
    /// Edges, or commands that wait for each other, that lead back to where they began.
    CYCLE = "cycle";
    /// Two edges into one port without `merge`.
    PORT_BUSY = "port_busy";
    /// Edges into one port that name different merges.
    MERGE_MISMATCH = "merge_mismatch";
    /// A node that no edge touches, beside nodes that edges join.
    ISOLATED_NODE = "isolated_node";
    /// A node that is always started again, among nodes that run once: the pipeline never ends.
    RESTART_AMONG_ONE_SHOTS = "restart_among_one_shots";
    /// A declared content that is not a media type.
    BAD_MEDIA_TYPE = "bad_media_type";
    /// The two ends of an edge declare contents that do not go together.
    FLOW_MISMATCH = "flow_mismatch";
    /// A line of a quota ladder that is neither a percentage nor an amount.
    BAD_QUOTA_LINE = "bad_quota_line";
    /// Something that the card may say, but that this release does not enforce.
    NOT_IN_THIS_RELEASE = "not_in_this_release";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_code_is_snake_case_and_named_once() {
        for (i, (code, doc)) in ALL.iter().enumerate() {
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
            assert!(doc.ends_with('.'), "{code}");
            assert!(ALL[..i].iter().all(|(other, _)| other != code), "{code}");
        }
    }
}
