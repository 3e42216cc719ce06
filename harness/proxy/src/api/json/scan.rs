//! Finds the end of the first JSON value of a text and checks its syntax, as Go's scanner does: no recursion, bounded
//! depth, strings unread.

/// Containers inside one another, as in Go.
const DEPTH: usize = 10_000;

/// Where the first value of the text begins, and its text without white space around it.
///
/// # Errors
/// Where something is wrong with it, and what, in Go's words.
pub(super) fn first(text: &[u8]) -> Result<(usize, &[u8]), (usize, String)> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    let start = scanner.at;
    if start == text.len() {
        return Err((start, "EOF".to_owned()));
    }
    scanner.value().map_err(|words| (scanner.at, words))?;
    Ok((start, text.get(start..scanner.at).unwrap_or_default()))
}

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The text of the string or other value that begins here.
    pub(super) fn taken(&mut self, read: impl FnOnce(&mut Self) -> Result<(), String>) -> Option<&'a [u8]> {
        let start = self.at;
        read(self).ok()?;
        self.text.get(start..self.at)
    }

    /// Passes over one value.
    pub(super) fn value(&mut self) -> Result<(), String> {
        let mut open = Vec::new();
        loop {
            self.space();
            let begins = self.must_peek()?;
            match begins {
                b'{' | b'[' => {
                    if open.len() == DEPTH {
                        return Err("exceeded max depth".to_owned());
                    }
                    open.push(begins);
                    self.at += 1;
                    self.space();
                    match (begins, self.must_peek()?) {
                        (b'{', b'}') | (b'[', b']') => {}
                        (b'{', _) => {
                            self.key()?;
                            continue;
                        }
                        _ => continue,
                    }
                }
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => return Err(self.unexpected("looking for beginning of value")),
            }
            if self.closes(&mut open)? {
                return Ok(());
            }
        }
    }

    /// After a value: closes what ends here. True when all is closed, false when another value follows.
    fn closes(&mut self, open: &mut Vec<u8>) -> Result<bool, String> {
        loop {
            let Some(opener) = open.last() else { return Ok(true) };
            self.space();
            match (opener, self.must_peek()?) {
                (b'{', b'}') | (b'[', b']') => {
                    self.at += 1;
                    open.pop();
                }
                (b'{', b',') => {
                    self.at += 1;
                    self.space();
                    self.key()?;
                    return Ok(false);
                }
                (b'[', b',') => {
                    self.at += 1;
                    return Ok(false);
                }
                (b'{', _) => return Err(self.unexpected("after object key:value pair")),
                _ => return Err(self.unexpected("after array element")),
            }
        }
    }

    /// Passes over a key and its colon.
    fn key(&mut self) -> Result<(), String> {
        if self.must_peek()? != b'"' {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        self.string()?;
        self.space();
        if self.must_peek()? != b':' {
            return Err(self.unexpected("after object key"));
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over a string, whose quote is here.
    pub(super) fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.must_peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    self.escape()?;
                }
                0..=0x1f => return Err(self.unexpected("in string literal")),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.must_peek()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.must_peek()?.is_ascii_hexdigit() {
                        return Err(self.unexpected("in \\u hexadecimal character escape"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.unexpected("in string escape code")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.must_peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self, place: &str) -> Result<(), String> {
        if !self.must_peek()?.is_ascii_digit() {
            return Err(self.unexpected(place));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        for wanted in word.bytes() {
            if self.must_peek()? != wanted {
                return Err(self.unexpected(&format!("in literal {word}")));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn must_peek(&self) -> Result<u8, String> {
        self.peek().ok_or_else(|| "unexpected EOF".to_owned())
    }

    fn unexpected(&self, place: &str) -> String {
        let byte = char::from(self.peek().unwrap_or_default());
        format!("invalid character '{}' {place}", byte.escape_default())
    }
}
