//! The inspector page as this program carries it, and the files that are written into it.
//!
//! A file in the page is an element that no browser executes: base64 of its deflated bytes, with its name beside it. The
//! page's own policy stays as it is, since it names the one script by its hash; see `carried.ts` of the page for the other
//! side.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::exit::{Code, Failure};

/// The page, deflated by the build script; empty where the program was built without.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.deflate"));

/// Where the page takes files in. A build of a page without it is refused.
const MARK: &str = "<!--carried-->";

/// Most bytes that all files may take up in a page: a browser takes some seconds for a document that long.
pub const MOST_CARRIED: usize = 64 << 20;

/// Most bytes that all files may have by themselves, which is what the page refuses to open more of.
pub const MOST_OPENED: u64 = 1_610_612_736;

/// What a good trade is between the time of the program and the length of the page.
const LEVEL: u8 = 6;

/// A file that a page carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried<'a> {
    /// Its name, as the page shows it; whatever it is, it stays a text there.
    pub name: String,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// Returns the page that was built with this program.
///
/// # Errors
///
/// Fails where the program was built without one.
pub fn page() -> Result<String, Failure> {
    unpacked(PACKED)
}

fn unpacked(packed: &[u8]) -> Result<String, Failure> {
    if packed.is_empty() {
        return Err(Failure::new(Code::Failed, "this shipote was built without the inspector page").hint(
            "cargo xtask dist builds one with it, and cargo xtask inspector the page alone; \
             shipote state verify and shipote state show tell the same in text",
        ));
    }
    let page =
        miniz_oxide::inflate::decompress_to_vec(packed).ok().and_then(|page| String::from_utf8(page).ok());
    page.ok_or_else(|| {
        Failure::new(Code::Failed, "the inspector page in this shipote can't be unpacked")
            .hint("the program file is damaged: compare its SHA-256 sum, and install it anew")
    })
}

/// Returns the page with files in it, in their order.
///
/// # Errors
///
/// Refuses more than a page can carry.
pub fn with_files(page: &str, files: &[Carried<'_>]) -> Result<String, Failure> {
    filled(page, files, MOST_CARRIED)
}

fn filled(page: &str, files: &[Carried<'_>], most: usize) -> Result<String, Failure> {
    let mut elements = String::new();
    for file in files {
        let packed = miniz_oxide::deflate::compress_to_vec(file.bytes, LEVEL);
        let Carried { name, bytes } = file;
        // To a String, which takes everything.
        let _ = write!(
            elements,
            "\n<script type=\"application/octet-stream\" class=\"carried\" data-name=\"{}\" data-size=\"{}\">",
            attribute(name),
            bytes.len()
        );
        STANDARD.encode_string(&packed, &mut elements);
        elements.push_str("</script>");
        if elements.len() > most {
            return Err(too_much(name, most));
        }
    }
    match page.split_once(MARK) {
        Some((before, after)) => Ok([before, MARK, &elements, after].concat()),
        None => Err(Failure::new(Code::Failed, "the inspector page in this shipote takes no files")
            .hint("build it anew: cargo xtask dist")),
    }
}

/// Returns the failure of files that are too large for a page, of which `name` is the one at which it was seen.
#[must_use]
pub fn too_much(name: &str, most: usize) -> Failure {
    Failure::new(
        Code::Failed,
        format!("{name} is too large to be written into a page, which carries {} MiB at most", most >> 20),
    )
    .hint(
        "shipote inspect --empty opens the page without it: drop the file there; \
         or shipote state verify, which has no such limit",
    )
}

/// Returns a text as the value of an attribute in double quotes: nothing in it ends the value, and what a parser would
/// change or a reader of the source not see is written by its number.
fn attribute(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' | '`' | '\u{1}'..='\u{1f}' | '\u{7f}' | '\u{200b}'..='\u{200f}' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            // No file name has it, and no document either.
            '\0' => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried<'a>(name: &str, bytes: &'a [u8]) -> Carried<'a> {
        Carried { name: name.to_owned(), bytes }
    }

    #[test]
    fn a_program_without_the_page_says_what_makes_one() {
        let failure = unpacked(&[]).unwrap_err();
        insta::assert_snapshot!(format!("[{}] {failure}\n{}", failure.code.exit(), failure.hint), @r"
        [1] this shipote was built without the inspector page
        cargo xtask dist builds one with it, and cargo xtask inspector the page alone; shipote state verify and shipote state show tell the same in text
        ");
        assert!(unpacked(b"no deflate").is_err());
        let packed = miniz_oxide::deflate::compress_to_vec("<!--carried-->".as_bytes(), LEVEL);
        assert_eq!(unpacked(&packed).as_deref(), Ok(MARK));
    }

    #[test]
    fn a_file_stands_at_the_mark_and_comes_out_as_it_went_in() {
        let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let page = format!("<body>{MARK}<script>main</script>");
        let whole = with_files(&page, &[carried("a", &bytes), carried("b", b"")]).unwrap();
        assert_eq!(with_files(&page, &[]).unwrap(), page);
        let (before, rest) = whole.split_once(MARK).unwrap();
        assert!(before == "<body>" && rest.ends_with("</script><script>main</script>"));
        let texts: Vec<&str> =
            rest.split("<script type=\"application/octet-stream\" class=\"carried\" ").collect();
        assert_eq!(texts.len(), 3);
        let (head, text) = texts[1].split_once('>').unwrap();
        assert_eq!(head, "data-name=\"a\" data-size=\"70000\"");
        let packed = STANDARD.decode(text.split_once('<').unwrap().0).unwrap();
        assert_eq!(miniz_oxide::inflate::decompress_to_vec(&packed).unwrap(), bytes);
    }

    #[test]
    fn a_name_ends_neither_its_attribute_nor_its_element() {
        let name = "a\"b'c</script><img src=x onerror=1>&amp;\n\r\t\u{202e}\u{1b}\0é";
        insta::assert_snapshot!(attribute(name), @"a&#34;b&#39;c&#60;/script&#62;&#60;img src=x onerror=1&#62;&#38;amp;&#10;&#13;&#9;&#8238;&#27;�é");
    }

    #[test]
    fn more_than_a_page_carries_is_refused_with_the_way_that_is_left() {
        let page = MARK;
        let small = carried("small.json", b"{}");
        assert!(filled(page, std::slice::from_ref(&small), 200).is_ok());
        let noise: Vec<u8> = (0_u32..600).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let failure = filled(page, &[small, carried("big.json", &noise)], 200).unwrap_err();
        assert!(failure.message.starts_with("big.json is too large"), "{failure}");
        insta::assert_snapshot!(format!("{}\n{}", too_much("big.json", MOST_CARRIED), failure.hint), @r"
        big.json is too large to be written into a page, which carries 64 MiB at most
        shipote inspect --empty opens the page without it: drop the file there; or shipote state verify, which has no such limit
        ");
    }
}
