//! The grammar of TOML, read as a prefix.

/// How far a text reads as TOML.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Whether it is a beginning of TOML.
    pub(super) good: bool,
    /// Section headers.
    pub(super) headers: usize,
    /// Keys with a value.
    pub(super) pairs: usize,
    /// Pairs whose value only TOML would write so: a string in quotes, an array, a table.
    pub(super) typed: usize,
    /// Pairs with a space before the equals sign.
    pub(super) spaced: usize,
}

/// Deeper nesting is no configuration that a person wrote.
const DEPTH: usize = 24;

/// Why reading stopped.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// At the end of the text, within something.
    End,
    /// At something that is not TOML.
    Bad,
}

/// Reads `text`, whose last line may be cut unless `complete`.
pub(super) fn scan(text: &str, complete: bool) -> Scan {
    let mut found = Scan::default();
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    found.good = loop {
        reader.skip_blank();
        if reader.peek().is_none() {
            break true;
        }
        match reader.statement(&mut found) {
            Ok(()) => {}
            Err(Stop::End) => break !complete,
            Err(Stop::Bad) => break false,
        }
    };
    found
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, Stop> {
        let byte = self.peek().ok_or(Stop::End)?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Stop> {
        if self.next()? == wanted { Ok(()) } else { Err(Stop::Bad) }
    }

    fn skip_while(&mut self, mut holds: impl FnMut(u8) -> bool) {
        while self.peek().is_some_and(&mut holds) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    /// Skips white space, line ends and comments.
    fn skip_blank(&mut self) {
        loop {
            self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
            if self.peek() != Some(b'#') {
                return;
            }
            self.skip_while(|byte| byte != b'\n');
        }
    }

    fn statement(&mut self, found: &mut Scan) -> Result<(), Stop> {
        if self.peek() == Some(b'[') {
            self.at += 1;
            let double = self.peek() == Some(b'[');
            if double {
                self.at += 1;
            }
            self.key()?;
            self.expect(b']')?;
            if double {
                self.expect(b']')?;
            }
            self.line_end()?;
            found.headers += 1;
            return Ok(());
        }
        self.key()?;
        let spaced = self.bytes[self.at - 1] == b' ';
        self.expect(b'=')?;
        self.skip_space();
        let typed = matches!(self.peek(), Some(b'"' | b'\'' | b'[' | b'{'));
        self.value(DEPTH)?;
        self.line_end()?;
        found.pairs += 1;
        found.typed += usize::from(typed);
        found.spaced += usize::from(spaced);
        Ok(())
    }

    fn line_end(&mut self) -> Result<(), Stop> {
        self.skip_space();
        match self.peek() {
            None | Some(b'#' | b'\n') => Ok(()),
            Some(b'\r') => match self.bytes.get(self.at + 1) {
                None | Some(b'\n') => Ok(()),
                Some(_) => Err(Stop::Bad),
            },
            Some(_) => Err(Stop::Bad),
        }
    }

    /// Reads a key with its dots and the space around it.
    fn key(&mut self) -> Result<(), Stop> {
        loop {
            self.skip_space();
            match self.peek().ok_or(Stop::End)? {
                quote @ (b'"' | b'\'') => self.string(quote)?,
                _ => {
                    let start = self.at;
                    self.skip_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
                    if self.at == start {
                        return Err(Stop::Bad);
                    }
                }
            }
            self.skip_space();
            match self.peek() {
                Some(b'.') => self.at += 1,
                Some(_) => return Ok(()),
                None => return Err(Stop::End),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), Stop> {
        if depth == 0 {
            return Err(Stop::Bad);
        }
        match self.peek().ok_or(Stop::End)? {
            quote @ (b'"' | b'\'') if self.bytes[self.at..].starts_with(&[quote; 3]) => self.block(quote),
            quote @ (b'"' | b'\'') => self.string(quote),
            b'[' => {
                self.at += 1;
                self.list(b']', |reader| reader.value(depth - 1))
            }
            b'{' => {
                self.at += 1;
                self.list(b'}', |reader| {
                    reader.key()?;
                    reader.expect(b'=')?;
                    reader.skip_space();
                    reader.value(depth - 1)
                })
            }
            _ => self.bare(),
        }
    }

    /// Reads items and commas up to `close`.
    fn list(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        loop {
            self.skip_blank();
            if self.peek() == Some(close) {
                self.at += 1;
                return Ok(());
            }
            item(self)?;
            self.skip_blank();
            match self.next()? {
                b',' => {}
                byte if byte == close => return Ok(()),
                _ => return Err(Stop::Bad),
            }
        }
    }

    fn string(&mut self, quote: u8) -> Result<(), Stop> {
        self.at += 1;
        loop {
            match self.next()? {
                b'\n' => return Err(Stop::Bad),
                b'\\' if quote == b'"' => {
                    let escape = self.next()?;
                    if !b"btnfre\"\\uUx".contains(&escape) {
                        return Err(Stop::Bad);
                    }
                }
                byte if byte == quote => return Ok(()),
                _ => {}
            }
        }
    }

    fn block(&mut self, quote: u8) -> Result<(), Stop> {
        self.at += 3;
        loop {
            match self.next()? {
                b'\\' if quote == b'"' => {
                    self.next()?;
                }
                byte if byte == quote && self.bytes[self.at..].starts_with(&[quote; 2]) => {
                    self.at += 2;
                    // Up to two more quotes belong to the string.
                    self.skip_while(|byte| byte == quote);
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    /// Reads a number, a time or one of the names.
    fn bare(&mut self) -> Result<(), Stop> {
        let start = self.at;
        self.skip_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'+' | b'-')
        });
        let word = &self.bytes[start..self.at];
        // A date may be followed by a time of day.
        if is_date(word) && word.len() == 10 && self.peek() == Some(b' ') {
            let mark = self.at;
            self.at += 1;
            self.skip_while(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'Z' | b'+' | b'-'));
            if !is_time(&self.bytes[mark + 1..self.at]) {
                self.at = mark;
            }
        }
        match word {
            _ if is_scalar(word) => Ok(()),
            _ if self.peek().is_none() => Err(Stop::End),
            _ => Err(Stop::Bad),
        }
    }
}

fn is_scalar(word: &[u8]) -> bool {
    let unsigned = word.strip_prefix(b"+").or_else(|| word.strip_prefix(b"-")).unwrap_or(word);
    matches!(word, b"true" | b"false")
        || matches!(unsigned, b"inf" | b"nan")
        || is_date(word)
        || is_time(word)
        || is_number(unsigned)
}

fn is_date(word: &[u8]) -> bool {
    word.len() >= 10
        && word.iter().take(10).enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && (word.len() == 10 || (matches!(word[10], b'T' | b't') && is_time(&word[11..])))
}

fn is_time(word: &[u8]) -> bool {
    word.len() >= 5
        && word[2] == b':'
        && word
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'Z' | b'z' | b'+' | b'-'))
}

fn is_number(word: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'_';
    if let [b'0', b'x' | b'o' | b'b', digits @ ..] = word {
        return !digits.is_empty() && digits.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'_');
    }
    let mut parts = word.splitn(2, |byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = (parts.next().unwrap_or_default(), parts.next());
    let mut halves = mantissa.splitn(2, |byte| *byte == b'.');
    let fits = |half: Option<&[u8]>| half.is_none_or(|half| !half.is_empty() && half.iter().all(digit));
    let exponent =
        exponent.map(|raw| raw.strip_prefix(b"+").or_else(|| raw.strip_prefix(b"-")).unwrap_or(raw));
    !mantissa.is_empty() && fits(halves.next()) && fits(halves.next()) && fits(exponent)
}
