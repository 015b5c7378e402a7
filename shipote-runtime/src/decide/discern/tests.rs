//! Tables of bytes and what they are taken for, and what must hold for any bytes at all.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
use proptest::prelude::*;

use super::{Agreement, Confidence, Discerned, Newline, UNKNOWN, agrees, discern};

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, expect: &str) -> Discerned {
    let found = discern(bytes.as_ref(), true);
    assert_eq!(found.mime, expect, "{found:?}");
    found
}

/// Checks the beginning of a longer stream.
#[track_caller]
fn check_cut(bytes: impl AsRef<[u8]>, expect: &str) -> Discerned {
    let found = discern(bytes.as_ref(), false);
    assert_eq!(found.mime, expect, "{found:?}");
    found
}

/// Makes a gzip member.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut member = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
    member.extend(b"name\0");
    member.extend(compress_to_vec(bytes, 6));
    member.extend([0; 8]);
    member
}

/// Makes a tar of one file.
fn tar(content: &[u8]) -> Vec<u8> {
    let mut header = vec![0u8; 512];
    header[..8].copy_from_slice(b"file.txt");
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.extend(content);
    header.resize(header.len().next_multiple_of(512) + 1024, 0);
    header
}

fn zip_entry(name: &str, method: u8, data: &[u8]) -> Vec<u8> {
    let mut entry = b"PK\x03\x04\x14\0\0\0".to_vec();
    entry.extend([method, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    entry.extend((data.len() as u32).to_le_bytes());
    entry.extend((data.len() as u32).to_le_bytes());
    entry.extend((name.len() as u16).to_le_bytes());
    entry.extend([0, 0]);
    entry.extend(name.as_bytes());
    entry.extend(data);
    entry
}

/// The generator of Knuth's MMIX; its high bits are good enough for noise.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }
}

#[test]
fn signatures_name_their_format() {
    let pad = |head: &[u8]| [head, &[0x80; 64]].concat();
    let table: &[(&[u8], &str)] = &[
        (b"\x28\xb5\x2f\xfd\x04", "application/zstd"),
        (b"\x50\x2a\x4d\x18\x02\0\0\0ab\x28\xb5\x2f\xfd", "application/zstd"),
        (b"\xfd7zXZ\0\0", "application/x-xz"),
        (b"BZh91AY&SY", "application/x-bzip2"),
        (b"\x04\x22\x4d\x18\x64", "application/x-lz4"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "application/x-7z-compressed"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"GIF89a\x01\0\x01\0", "image/gif"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0", "application/x-executable"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0", "application/x-sharedlib"),
        (b"\0asm\x01\0\0\0", "application/wasm"),
        (b"SQLite format 3\0\x10\0", "application/vnd.sqlite3"),
        (b"PAR1\x15\x04\x15\x10", "application/vnd.apache.parquet"),
        (b"Obj\x01\x04\x16avro.schema", "application/avro"),
        (b"ARROW1\0\0\xff\xff\xff\xff", "application/vnd.apache.arrow.file"),
        (b"\xff\xff\xff\xff\x70\0\0\0\x10\0\0\0\0\0\x0a\0", "application/vnd.apache.arrow.stream"),
        (b"\x93NUMPY\x01\0v\0{'descr'", "application/x-npy"),
        (b"\xa7\r\r\n\0\0\0\0\x10\x20\x30\x40\x50\0\0\0\xe3\0", "application/x-python-code"),
        (b"\xd4\xc3\xb2\xa1\x02\0\x04\0", "application/vnd.tcpdump.pcap"),
        (b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a", "application/x-pcapng"),
        (b"\xca\xfe\xba\xbe\0\0\0\x34\0\x1d", "application/java-vm"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02\x01\0\0\x07", "application/x-mach-binary"),
        (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "application/x-mach-binary"),
        (
            b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\x02\x03\x04\0\0\0\0\x01\x02\x03\x04\x01\x1e\x01vorbis",
            "audio/ogg",
        ),
        (b"fLaC\0\0\0\x22\x10\0", "audio/flac"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0", "video/mp4"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "video/webm"),
        (b"!<arch>\nlibfoo.o/       ", "application/x-archive"),
        (b"!<arch>\ndebian-binary   ", "application/vnd.debian.binary-package"),
        (b"\xed\xab\xee\xdb\x03\0", "application/x-rpm"),
    ];
    for (head, expect) in table {
        let found = check(pad(head), expect);
        assert!(found.confidence >= Confidence::SURE, "{found:?}");
    }
}

#[test]
fn words_that_only_begin_like_a_signature_stay_text() {
    for text in [
        "PAR1 is a magic number\n",
        "GIF89a in prose\n",
        "ORC and elf\n",
        "BMW\n",
        "MZ is a region\n",
        "ID3 tags\n",
    ] {
        check(text, "text/plain");
    }
}

#[test]
fn gzip_is_peeled_and_what_is_inside_is_named() {
    let found = check(gzip(b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"), "application/x-ndjson");
    assert_eq!(found.container, ["application/gzip"]);
    assert_eq!(found.outermost().0, "application/gzip");
    assert!(found.confidence >= Confidence::SURE);
    let found = check(gzip(&gzip(b"a,b,c\n1,2,3\n4,5,6\n")), "text/csv");
    assert_eq!(found.container, ["application/gzip", "application/gzip"]);
    let found = check(compress_to_vec_zlib(b"hello hello hello hello hello", 6), "text/plain");
    assert_eq!(found.container, ["application/zlib"]);
}

#[test]
fn a_cut_gzip_still_tells_what_it_holds() {
    let text: String = (0..4000).map(|n| format!("{{\"n\":{n},\"s\":\"{}\"}}\n", n * 7919 % 1000)).collect();
    let packed = gzip(text.as_bytes());
    assert!(packed.len() > 4096);
    let found = check_cut(&packed[..4096], "application/x-ndjson");
    assert_eq!(found.container, ["application/gzip"]);
    assert!(found.partial);
    assert_eq!(check_cut(&packed[..12], "application/gzip").container.len(), 0);
}

#[test]
fn gzip_members_are_joined_before_they_are_named() {
    let archive = tar(b"hello\n");
    let members: Vec<u8> = archive.chunks(100).flat_map(gzip).collect();
    let found = check(&members, "application/x-tar");
    assert_eq!(found.container, ["application/gzip"]);
    let first_alone: Vec<u8> = [gzip(&archive), gzip(b"more"), gzip(b"and more")].concat();
    assert_eq!(check(&first_alone, "application/x-tar").container, ["application/gzip"]);
}

#[test]
fn a_bomb_unfolds_no_further_than_the_bound() {
    let bomb = gzip(&gzip(&vec![b'a'; 50_000_000]));
    let found = discern(&bomb, true);
    assert_eq!(found.container, ["application/gzip", "application/gzip"]);
    assert_eq!(found.mime, "text/plain");
    let deep = (0..10).fold(b"x".to_vec(), |inner, _| gzip(&inner));
    assert_eq!(discern(&deep, true).container.len(), 2);
}

#[test]
fn archives_are_named_by_their_headers() {
    check(tar(b"hello\n"), "application/x-tar");
    check_cut(&tar(b"hello\n")[..300], "application/x-tar");
    let types = b"<Types><Override ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>";
    let sheet = zip_entry("[Content_Types].xml", 8, &compress_to_vec(types, 6));
    check(&sheet, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    let document =
        [zip_entry("[Content_Types].xml", 0, b"<Types/>"), zip_entry("word/document.xml", 0, b"<w/>")]
            .concat();
    check(&document, "application/vnd.openxmlformats-officedocument.wordprocessingml.document");
    check(zip_entry("mimetype", 0, b"application/epub+zip"), "application/epub+zip");
    check(zip_entry("META-INF/MANIFEST.MF", 8, b"\x03\0"), "application/java-archive");
    check(zip_entry("notes.txt", 0, b"hello"), "application/zip");
    check(zip_entry("xl/no-office.txt", 0, b"hello"), "application/zip");
}

#[test]
fn json_is_recognised_whole_and_cut() {
    check("{\"a\": [1, 2.5e-3, true, null, {\"b\": \"\\u00e9\"}]}\n", "application/json");
    check("[\n  {\"id\": 1},\n  {\"id\": 2}\n]\n", "application/json");
    let found = check_cut("{\n  \"items\": [\n    {\"name\": \"x", "application/json");
    assert!(found.confidence >= Confidence::SURE);
    check_cut("[1, 2, tr", "application/json");
    check_cut("[1.5, -", "application/json");
    check("{\"a\":1}\n{\"b\":2}\n", "application/x-ndjson");
    check("[1,2]\n[3,4]\n[5,6]\n", "application/x-ndjson");
    check_cut("{\"a\":1}\n{\"b\":2}\n{\"c\":", "application/x-ndjson");
    check("\u{1e}{\"a\":1}\n\u{1e}{\"b\":2}\n", "application/json-seq");
    let open = discern(b"{\"a\":1}\n", false);
    assert_eq!(agrees("application/json", &open), Agreement::Compatible);
    assert_eq!(agrees("application/x-ndjson", &open), Agreement::Match);
    assert_eq!(check("{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n", "application/json").confidence.permille(), 750);
}

#[test]
fn what_is_no_json_is_not_called_so() {
    check("1\n2\n3\n", "text/plain");
    check("true\n", "text/plain");
    check("[info] starting up\n[info] done\n", "text/plain");
    check("[    0.000000] Linux version 6.1\n[    0.000001] Command line: ro\n", "text/plain");
    check("{ not: json }\n", "text/plain");
    check("{{ template }} text\n", "text/plain");
}

#[test]
fn tables_are_recognised_by_their_shape() {
    check("id,name,price\n1,nut,0.10\n2,bolt,0.25\n", "text/csv");
    check("a,b\n1,2\n", "text/csv");
    check("id;name\n1;\"semi;colon\"\n2;\"two\nlines\"\n3;x\n", "text/csv");
    check("a\tb\tc\n1\t2\t3\n4\t5\t6\n", "text/tab-separated-values");
    check_cut("id,note\n1,\"he said \"\"no\"\"\"\n2,b\n3,c\n4,\"cut he", "text/csv");
    check("id,from,to,note,more\n1,a,b,c,d\n2,a,b,c,d\n3,a,b\n4,a,b\n", "text/csv");
    let rows: String = (0..40).map(|n| format!("{n},name {n},{}\r\n", n * 3)).collect();
    let found = check_cut(&rows[..300], "text/csv");
    assert_eq!(found.newline, Some(Newline::Crlf));
    assert!(found.confidence >= Confidence::SURE);
}

#[test]
fn commas_alone_make_no_table() {
    check("First, a word.\nThen, another.\nAt last, the end.\n", "text/plain");
    check(
        "2024-01-01 10:00:00,123 INFO ready\n2024-01-01 10:00:01,456 INFO done\n2024-01-01 10:00:02,001 WARN no\n",
        "text/plain",
    );
    check("foo(a, b);\nbar(c, d);\nbaz(e, f);\n", "text/plain");
    check(
        "2024-01-01  A Person\n\n\t* file.c: Change.\n\t* other.c: Too.\n\t* more.c: Again.\n",
        "text/plain",
    );
    check("one line only, with a comma\n", "text/plain");
}

#[test]
fn counted_and_plain_lists_stay_plain_text() {
    check("     12 /index.html\n      7 /about\n      1 /x\n", "text/plain");
    check("apple\nbanana\ncherry\n", "text/plain");
    check("1\n2\n3\n4\n5\n", "text/plain");
    check(
        "total 8\ndrwxr-xr-x 2 root root 4096 Jan  1 00:00 a\n-rw-r--r-- 1 root root    5 Jan  1 00:00 b\n",
        "text/plain",
    );
}

#[test]
fn settings_are_told_apart() {
    check(
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\n\n[dependencies]\nserde = { version = \"1\" }\n",
        "application/toml",
    );
    check(
        "license = \"MIT OR Apache-2.0\"\nlicense = \"MIT\"\nlicense = \"Apache-2.0\"\n",
        "application/toml",
    );
    check("license = \"MIT OR Apache-2.0\"\n", "application/toml");
    check_cut(
        "[a]\nlist = [\n  1, # one\n  2,\n]\nwhen = 1979-05-27 07:32:00Z\ntext = \"\"\"\nhalf a te",
        "application/toml",
    );
    check(
        "[Unit]\nDescription=A thing\nAfter=network.target\n\n[Service]\nExecStart=/bin/true -x\n",
        "text/x-ini",
    );
    check("[core]\n\tbare = false\n\teditor = vim -n\n; note\n[user]\n\tname = Some One\n", "text/x-ini");
    check(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers:\n    - name: c\n      image: i:1.0\n",
        "application/yaml",
    );
    check("---\n- hosts: all\n  tasks:\n    - name: ping\n      ping:\n", "application/yaml");
    check(
        "name: x\nversion: 1.2\nrun: |\n  if true; then\n    echo: no\n  fi\non: [push]\n",
        "application/yaml",
    );
}

#[test]
fn prose_with_colons_is_no_yaml() {
    check("Copyright: 2020 Some One\nLicense: MIT\nNote: this is prose, and it goes on.\n", "text/plain");
    check(
        "Package: foo\nVersion: 1.2-1\nDepends: a, b (>= 2)\nDescription: a thing\n that does things\n",
        "text/plain",
    );
    check("Dear all:\nplease note the following.\n", "text/plain");
    check("error: cannot open file\n", "text/plain");
    check("def f(x):\n    return x\n\nclass A:\n    pass\n", "text/plain");
    check("NAME=\"Debian\"\nID=debian\n", "text/plain");
}

#[test]
fn markup_is_told_apart() {
    check("<?xml version=\"1.0\"?>\n<!-- c -->\n<note><to>x</to></note>\n", "application/xml");
    check("<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>", "image/svg+xml");
    check("<svg width=\"1\" height=\"1\"><path d=\"M0 0\"/></svg>", "image/svg+xml");
    check("<!DOCTYPE html>\n<html><body>", "text/html");
    check("\n <HTML><HEAD><TITLE>502</TITLE>", "text/html");
    check("<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n<x/>", "application/xml");
    check("<a-list><item>1</item><item>2</item></a-list>\n", "application/xml");
    check("<someone@example.org> wrote:\n> hi\n", "text/plain");
    check("<- this is a pointer\n", "text/plain");
}

#[test]
fn logs_are_recognised_line_by_line() {
    check(
        "127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.0\" 200 2326\n\
         10.0.0.2 - bob [10/Oct/2000:13:55:37 -0700] \"GET /b HTTP/1.0\" 404 12 \"-\" \"curl\"\n",
        "text/x-common-log",
    );
    check("level=info msg=\"it is up\" port=80\nlevel=warn msg=slow ms=12\n", "text/x-logfmt");
    check("Oct 11 22:14:15 host su[12]: failed\nOct 11 22:14:16 host cron: ran\n", "text/x-syslog");
    check(
        "<34>1 2003-10-11T22:14:15.003Z host su - ID47 - failed\n<34>1 - host su - - - x\n",
        "text/x-syslog",
    );
    check("2024-01-01T10:00:00Z INFO app: a\n2024-01-01T10:00:01Z INFO app: b\n", "text/plain");
    check(
        "2024-01-01T10:00:00.1+00:00 host sshd[1]: a\n2024-01-01T10:00:00.2+00:00 host sshd[1]: b\n",
        "text/x-syslog",
    );
}

#[test]
fn marks_on_the_first_line_are_enough() {
    check("#!/bin/sh\necho hi\n", "text/x-shellscript");
    check("#!/usr/bin/env -S python3 -u\nprint(1)\n", "text/x-python");
    check("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "application/x-pem-file");
    check("diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "text/x-diff");
    check("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "text/x-diff");
}

#[test]
fn encodings_are_named() {
    let encoding = |bytes: &[u8]| discern(bytes, false).encoding.unwrap_or_default();
    assert_eq!(encoding(b"plain\n"), "us-ascii");
    assert_eq!(encoding("na\u{ef}ve caf\u{e9}\n".as_bytes()), "utf-8");
    assert_eq!(encoding(b"\xef\xbb\xbfa,b\n"), "utf-8");
    let cut = "cut in the middle \u{20ac}".as_bytes();
    for end in 1..=2 {
        assert_eq!(encoding(&cut[..cut.len() - end]), "utf-8");
    }
    let little: Vec<u8> = "\u{feff}a,b\n1,2\n3,4\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(check(&little, "text/csv").encoding.unwrap(), "utf-16le");
    let bare: Vec<u8> = "hello, this is wide".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(encoding(&bare), "utf-16be");
    let huge: Vec<u8> = "\u{feff}hello".chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
    assert_eq!(encoding(&huge), "utf-32le");
    let old = check(b"nom,ville\nRen\xe9e,Orl\xe9ans\nZo\xe9,Paris\nEve,Nice\n", "text/csv");
    assert_eq!(old.encoding.unwrap(), "iso-8859-1");
    assert!(old.confidence < Confidence::SURE);
    // Short ones and figures too, and less surely; bytes that no Latin letter has are no text.
    for latin in [
        &b"caf\xe9\n"[..],
        b"cr\xe8me br\xfbl\xe9e",
        b"|  12,50 | 3,10 | \xe0 7 |\n|  18,00 | 4,20 | - - |\n",
    ] {
        let found = check(latin, "text/plain");
        assert_eq!(found.encoding.unwrap(), "iso-8859-1");
        assert!(found.confidence <= Confidence::from_permille(500));
    }
    for other in [&b"caf\x85\n"[..], b"\xff\xfb\xe0\xe1\xe2", b"ab\xa9\xb1cd", b"\xe9t\xe9"] {
        check(other, UNKNOWN);
    }
}

#[test]
fn objects_without_a_signature_need_their_keys_to_hold() {
    let packed = [
        &b"\x82\xa2id\x01\xa4name\xa3nut"[..],
        b"\x82\xa2id\x02\xa4name\xa4bolt",
        b"\x82\xa2id\x03\xa4name\xa1x",
    ]
    .concat();
    check(&packed, "application/msgpack");
    check_cut(&packed[..packed.len() - 3], "application/msgpack");
    let concise = [&b"\xa2\x62id\x01\x64name\x63nut"[..], b"\xa2\x62id\x18\xff\x64name\x64bolt"].concat();
    check(&concise, "application/cbor");
    let message = b"\x0e\x08\x01\x12\x04nuts\x18\x80\x01\x22\x01\x05";
    check(message.repeat(6), "application/x-protobuf");
}

#[test]
fn nothing_recognised_stays_unnamed() {
    assert_eq!(discern(b"", true).mime, "inode/x-empty");
    assert_eq!(discern(b"", false).confidence, Confidence::default());
    check([0u8; 4096], UNKNOWN);
    check([0xffu8; 4096], UNKNOWN);
    check(" \n \n\n", "text/plain");
    check("x".repeat(100_000), "text/plain");
}

#[test]
fn noise_is_not_given_a_name() {
    let mut noise = Noise(1);
    let mut misnamed = Vec::new();
    for round in 0..2_000 {
        let length = [4096, 512, 64, 4096][round % 4];
        let found = discern(&noise.bytes(length), round % 2 == 0);
        if found.mime != UNKNOWN {
            misnamed.push(found.mime);
        }
    }
    assert!(misnamed.len() <= 2, "{misnamed:?}");
}

#[test]
fn every_prefix_is_survived() {
    let json: String = (0..400).map(|n| format!("{{\"n\": {n}, \"t\": [\"\u{e9}\", null]}}\n")).collect();
    let csv: String = (0..400).map(|n| format!("{n},\"a \"\"b\"\"\",{}\n", n * n)).collect();
    let settings = "[a]\nb = \"c\"\nlist = [1, 2]\n# d\n\n[[e]]\nf = 2024-01-01T00:00:00Z\n".repeat(80);
    let listing = "a:\n  - b: \"c\"\n    d: |\n      e\n  - f: [g, h]\n".repeat(120);
    let markup =
        "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a><b c=\"d\">\u{20ac}</b></a>".repeat(60);
    let mut inputs: Vec<Vec<u8>> =
        [json.clone(), csv, settings, listing, markup].map(String::into_bytes).to_vec();
    inputs.push(gzip(json.as_bytes()));
    inputs.push(tar(json.as_bytes()));
    inputs.push(zip_entry("[Content_Types].xml", 8, &gzip(json.as_bytes())));
    inputs.push(json.encode_utf16().flat_map(u16::to_le_bytes).collect());
    for input in inputs {
        for end in 0..=input.len().min(4096) {
            let found = discern(&input[..end], false);
            assert_eq!(found.sampled_bytes, end as u64);
        }
    }
}

#[test]
fn a_name_once_found_does_not_flicker() {
    let json: String = (0..400).map(|n| format!("{{\"n\": {n}, \"t\": [true, null]}}\n")).collect();
    let mut changes = 0;
    let mut last = String::new();
    for end in 0..4096 {
        let mime = discern(&json.as_bytes()[..end], false).mime;
        changes += usize::from(mime != last);
        last = mime;
    }
    assert_eq!(last, "application/x-ndjson");
    assert!(changes <= 4, "{changes}");
}

#[test]
fn declared_and_found_are_compared_on_a_lattice() {
    let found = |bytes: &[u8]| discern(bytes, true);
    let table = found(b"a,b,c\n1,2,3\n4,5,6\n");
    let lines = found(b"{\"a\":1}\n{\"a\":2}\n");
    let one = found(b"{\"type\": \"Feature\"}\n");
    let drawing = found(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
    let plain = found(b"cannot connect to the server\n");
    let packed = found(&gzip(b"{\"a\":1}\n{\"a\":2}\n"));
    let noise = found(&Noise(7).bytes(4096));
    for (declared, found, expect) in [
        ("text/csv; header=present", &table, Agreement::Match),
        ("TEXT/CSV", &table, Agreement::Match),
        ("text/plain", &table, Agreement::Compatible),
        ("application/octet-stream", &table, Agreement::Compatible),
        ("application/json", &table, Agreement::Mismatch),
        ("text/markdown", &table, Agreement::Unknown),
        ("application/x-ndjson", &lines, Agreement::Match),
        ("application/jsonl", &lines, Agreement::Match),
        ("application/json", &lines, Agreement::Mismatch),
        ("application/geo+json", &one, Agreement::Compatible),
        ("application/x-ndjson", &one, Agreement::Compatible),
        ("application/yaml", &one, Agreement::Compatible),
        ("application/xml", &drawing, Agreement::Compatible),
        ("image/svg+xml", &drawing, Agreement::Match),
        ("application/x-ndjson", &plain, Agreement::Mismatch),
        ("text/csv", &plain, Agreement::Unknown),
        ("text/plain", &plain, Agreement::Match),
        ("image/png", &plain, Agreement::Mismatch),
        ("application/x-ndjson", &packed, Agreement::Mismatch),
        ("application/gzip", &packed, Agreement::Match),
        ("application/vnd.example", &noise, Agreement::Unknown),
        ("application/x-ndjson", &noise, Agreement::Mismatch),
        ("image/png", &noise, Agreement::Mismatch),
        ("text/csv", &found(b""), Agreement::Unknown),
    ] {
        assert_eq!(agrees(declared, found), expect, "{declared} and {found:?}");
    }
}

#[test]
fn the_written_form_is_plain_and_reads_back() {
    let found = discern(b"{\"a\":1}\n{\"a\":2}\n", false);
    let text = serde_json::to_string(&found).unwrap();
    assert!(
        text.starts_with("{\"mime\":\"application/x-ndjson\",\"confidence\":0.97,\"container\":[]"),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Discerned>(&text).unwrap(), found);
    assert!(!found.reasons.iter().any(|reason| reason.to_string().contains("\"a\"")));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2048), complete: bool) {
        let found = discern(&bytes, complete);
        prop_assert!(found.confidence.permille() <= 1000);
    }

    #[test]
    fn any_text_is_survived(text in "[\\[\\]{}\"':,;=<>/!?|&#%a0 \\t\\r\\n.\\-\\u{e9}\\u{1e}\\u{85}]{0,300}", complete: bool) {
        let found = discern(text.as_bytes(), complete);
        prop_assert_eq!(found.partial, !complete);
    }

    #[test]
    fn anything_behind_a_header_is_survived(
        head in proptest::sample::select(vec!["PK\u{3}\u{4}", "<?xml ", "\u{1f}", "[a]\n", "---\n", "#!", "diff --git a/", "<!DOCTYPE "]),
        tail in proptest::collection::vec(any::<u8>(), 0..256),
    ) {
        let bytes = [head.as_bytes(), &tail].concat();
        prop_assert!(discern(&bytes, false).partial);
    }
}
