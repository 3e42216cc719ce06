//! Erlang's application files (`rabbit.app`), as far as they are read here: which applications one needs, and the same
//! file with an empty list of modules. Text only: no file is opened and nothing is evaluated.

use std::ops::Range;

/// The applications that must be there for this one, by its own word.
pub(super) fn needs(text: &str) -> Vec<String> {
    let masked = mask(text);
    let lists = ["applications", "included_applications"].map(|key| list(&masked, key));
    let names = lists.into_iter().flatten().flat_map(|range| text.get(range).unwrap_or("").split(','));
    let names = names.map(|name| name.trim().trim_matches('\'').to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// The same application that names no module; `None` when its list is not where it should be.
///
/// Module names serve release tools and whoever wants to load every module of an application. RabbitMQ does that to
/// all of them several times a boot, looking for attributes that only its own modules carry.
pub(super) fn without_modules(text: &str) -> Option<String> {
    let range = list(&mask(text), "modules")?;
    Some(format!("{}{}", text.get(..range.start)?, text.get(range.end..)?))
}

/// What is between the brackets of `{key, […]}`.
fn list(masked: &str, key: &str) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(found) = masked.get(from..)?.find(key) {
        let (start, end) = (from + found, from + found + key.len());
        from = end;
        let opened = masked.get(..start)?.trim_end().ends_with('{');
        let rest = masked.get(end..)?;
        let value = rest.trim_start().strip_prefix(',').map(str::trim_start);
        if let Some(value) = value.filter(|value| opened && value.starts_with('[')) {
            let open = masked.len() - value.len() + 1;
            return Some(open..open + masked.get(open..)?.find(']')?);
        }
    }
    None
}

/// The text with comments and the insides of quotes blanked, every byte where it was.
fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut chars = text.chars();
    let blank = |c: char| " ".repeat(c.len_utf8());
    while let Some(c) = chars.next() {
        match c {
            '%' => {
                masked.push(' ');
                for c in chars.by_ref() {
                    if c == '\n' {
                        masked.push(c);
                        break;
                    }
                    masked.push_str(&blank(c));
                }
            }
            '"' | '\'' => {
                masked.push(c);
                while let Some(inside) = chars.next() {
                    if inside == c {
                        masked.push(c);
                        break;
                    }
                    masked.push_str(&blank(inside));
                    if inside == '\\' {
                        masked.extend(chars.next().map(blank));
                    }
                }
            }
            '$' => {
                masked.push(' ');
                masked.extend(chars.next().map(blank));
            }
            c => masked.push(c),
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::{needs, without_modules};

    const APP: &str = r#"%% {modules, [comment]}
{application, 'ra', [
  {description, "says {modules, [liar]} and \" too"},
  {vsn, "2.0"},
  {modules, ['ra','ra_server',
             ra_log]},
  {registered, [ra_sup]},
  {applications, [kernel,stdlib,'gen_batch_server']},
  {included_applications,[]},
  {env, [{modules_of, 1}]}
]}."#;

    #[test]
    fn only_the_real_list_is_emptied() {
        let trimmed = without_modules(APP).unwrap();
        assert!(trimmed.contains("{modules, []}") && !trimmed.contains("ra_log"));
        assert!(trimmed.contains("{modules, [comment]}") && trimmed.contains("{modules, [liar]}"));
        assert_eq!(trimmed.len() + "'ra','ra_server',\n             ra_log".len(), APP.len());
        assert_eq!(without_modules("{application, x, [{vsn, \"1\"}]}."), None);
    }

    #[test]
    fn the_needed_applications_are_read() {
        assert_eq!(needs(APP), ["kernel", "stdlib", "gen_batch_server"]);
        assert_eq!(needs("{application, x, []}."), Vec::<String>::new());
    }
}
