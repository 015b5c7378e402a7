//! The stable names of every problem that a state file can have, in one place; scripts match on them.

macro_rules! codes {
    ($(#[doc = $doc:literal] $name:ident = $code:literal;)*) => {
        $(#[doc = $doc] pub const $name: &str = $code;)*

        /// Every code with its meaning, in the order of this file.
        pub const ALL: &[(&str, &str)] = &[$(($code, $doc)),*];
    };
}

codes! {
    /// Fatal: the file holds nothing.
    EMPTY = "empty";
    /// Fatal: NUL bytes, as an unsynced write leaves them after a power cut.
    NUL_BYTES = "nul_bytes";
    /// Fatal: the bytes are not UTF-8.
    NOT_UTF8 = "not_utf8";
    /// Fatal: the text ends in the middle of the document.
    TRUNCATED = "truncated";
    /// Fatal: the text is not JSON.
    NOT_JSON = "not_json";
    /// Fatal: something follows the document.
    TRAILING_DATA = "trailing_data";
    /// Fatal: the document is not an object.
    NOT_AN_OBJECT = "not_an_object";
    /// Fatal: the document does not say its version.
    VERSION_MISSING = "version_missing";
    /// Fatal: the version is not a whole number from 1.
    VERSION_INVALID = "version_invalid";
    /// Fatal: the version is given twice.
    VERSION_DUPLICATE = "version_duplicate";
    /// Fatal: the document could not be read, although nothing in it was found to be wrong.
    UNREADABLE = "unreadable";
    /// Note: the version is newer than every known one; nothing else of the file was looked at.
    VERSION_NEWER = "version_newer";
    /// Error: a key stands twice in one object.
    DUPLICATE_KEY = "duplicate_key";
    /// Error: a value of another type than the one that is needed.
    WRONG_TYPE = "wrong_type";
    /// Error: a text with an escape that no text can have.
    NOT_TEXT = "not_text";
    /// Error: a number that is negative or too large.
    OUT_OF_RANGE = "out_of_range";
    /// Error: a whole number that is written with a fraction or an exponent.
    NOT_AN_INTEGER = "not_an_integer";
    /// Error: a quantity that can't be read.
    BAD_UNIT = "bad_unit";
    /// Error: a field that must be there is not.
    MISSING_FIELD = "missing_field";
    /// Error: a text that is none of the values that the field knows.
    UNKNOWN_VALUE = "unknown_value";
    /// Error: a text that is not a ULID.
    INVALID_ULID = "invalid_ulid";
    /// Error: a text that would be a ULID of more than 128 bits.
    ULID_OVERFLOW = "ulid_overflow";
    /// Error: the ULID of all zeros.
    NIL_ULID = "nil_ulid";
    /// Error: two entities with one id.
    DUPLICATE_ID = "duplicate_id";
    /// Error: two saved pipelines with one name.
    DUPLICATE_NAME = "duplicate_name";
    /// Error for what runs, warning for a saved pipeline: it names a workspace that is not there.
    UNKNOWN_WORKSPACE = "unknown_workspace";
    /// Error: it names a workspace that has errors itself.
    WORKSPACE_HELD = "workspace_held";
    /// Error: an edge to or from a node that is not there.
    UNKNOWN_NODE = "unknown_node";
    /// Error: an edge from a node to itself.
    SELF_EDGE = "self_edge";
    /// Error: edges that lead back to where they began.
    CYCLE = "cycle";
    /// Warning: the text begins with a byte order mark, which is skipped.
    BYTE_ORDER_MARK = "byte_order_mark";
    /// Warning: a ULID in lower case, which is read as its canonical text.
    NON_CANONICAL_ULID = "non_canonical_ulid";
    /// Warning: a field that means nothing here; it is ignored and kept beside.
    UNKNOWN_FIELD = "unknown_field";
    /// Warning: a field that a later version knows; it is ignored and kept beside.
    LATER_FIELD = "later_field";
    /// Warning: a live pipeline whose spec names another workspace than the entry, which wins.
    WORKSPACE_DIFFERS = "workspace_differs";
    /// Warning: a label that breaks the rule for labels; what has it is reached by its id.
    STRANGE_LABEL = "strange_label";
    /// Note: a counter is lower than in the sample before, and no time tells why.
    COUNTER_FELL = "counter_fell";
    /// Error: a journal whose first line is missing or damaged, although records follow.
    JOURNAL_HEADER = "journal_header";
    /// Error: a journal that belongs to another line of states than `state.json`.
    LINEAGE_DIFFERS = "lineage_differs";
    /// Error: a journal that continues a newer `state.json` than the one that is there.
    BASE_NEWER = "base_newer";
    /// Error: a journal that continues a `state.json`, and there is none.
    CHECKPOINT_MISSING = "checkpoint_missing";
    /// Error: records are missing between two others.
    SEQ_GAP = "seq_gap";
    /// Error, warning where both say the same: a sequence number stands twice.
    SEQ_REPEATED = "seq_repeated";
    /// Error, warning where nothing is missing: a line of the journal that is not what was written.
    CRC_MISMATCH = "crc_mismatch";
    /// Warning: the end of the journal was never acknowledged, and is not used.
    TORN_TAIL = "torn_tail";
    /// Error: a record with an operation that is not known.
    UNKNOWN_OP = "unknown_op";
    /// Error: a line of the journal that was written whole, and is not understood.
    RECORD_INVALID = "record_invalid";
    /// Warning: a line of samples that is not what was written; what it told is lost.
    SAMPLE_DAMAGED = "sample_damaged";
    /// Note: `state.json` was edited by hand, and no record waits to be folded in.
    EDITED = "edited";
    /// Error: `state.json` was edited by hand, and records wait to be folded in.
    EDITED_WITH_JOURNAL = "edited_with_journal";
}
