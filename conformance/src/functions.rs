//! The functions of the case language. Lengths, first characters and order count UTF-16 units.

use crate::text::{Kind, Row, Text, first_unit, units};

/// What is there as text; `null` for null.
pub(crate) fn text(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "null".to_owned(), ToString::to_string)
}

pub(crate) fn some(value: &impl ToString) -> Text {
    Some(value.to_string())
}

fn length(text: &str) -> i64 {
    i64::try_from(units(text).count()).unwrap_or(i64::MAX)
}

/// The number that a text says, 0 for null and for an empty one.
fn number(value: &Text) -> i64 {
    value.as_ref().and_then(|value| value.parse().ok()).unwrap_or(0)
}

pub(crate) fn value(function: &str, value: Text) -> Text {
    let all = text(value.as_ref());
    Some(match function.split_once(':').unwrap_or((function, "")) {
        ("append", suffix) => all + suffix,
        ("upper", _) => all.to_uppercase(),
        ("reverse", _) => all.chars().rev().collect(),
        ("to_string", _) => all,
        ("length", _) => length(&all).to_string(),
        ("plus_one", _) if value.is_some() => number(&value).wrapping_add(1).to_string(),
        ("null_if_short", _) if length(&all) < 3 => return None,
        _ => return value,
    })
}

pub(crate) fn key(function: &str, key: &Option<impl ToString>, value: &Text) -> Text {
    let key = key.as_ref().and_then(some);
    match function {
        "value" => value.clone(),
        "first_char" => value.as_deref().filter(|value| !value.is_empty()).map(first_unit),
        "key_prefix" => key.map(|key| first_unit(&key)),
        "before_colon" => Some(value.as_ref()?.split_once(':')?.0.to_owned()),
        "constant" => Some("all".to_owned()),
        _ => key,
    }
}

pub(crate) fn holds(predicate: &str, key: &Option<impl ToString>, value: &Text) -> bool {
    match predicate.split_once(':').unwrap_or((predicate, "")) {
        ("contains", part) => value.as_ref().is_some_and(|value| value.contains(part)),
        ("key_is", wanted) => key.as_ref().is_some_and(|key| key.to_string() == wanted),
        ("non_null", _) => value.is_some(),
        ("even_length", _) => value.as_ref().is_some_and(|value| length(value) % 2 == 0),
        _ => true,
    }
}

/// The parts of a text as Java splits it: empty ones at the end are dropped.
pub(crate) fn split(function: &str, value: Text) -> Vec<Text> {
    let Some(value) = value else { return Vec::new() };
    let separator = if function == "split_comma" { ',' } else { ' ' };
    let kept = value.trim_end_matches(separator);
    let all_empty = kept.is_empty() && !value.is_empty();
    kept.split(separator).filter(|_| !all_empty).map(|part| some(&part)).collect()
}

fn add(adder: &str, acc: impl Into<Text>, value: impl Into<Text>) -> Text {
    let (acc, value) = (acc.into(), value.into());
    let added = text(value.as_ref());
    let joined = |by| acc.as_ref().map_or(added.clone(), |acc| format!("{acc}{by}{added}"));
    match adder {
        "concat" => Some(joined(',')),
        "null_on_x" => (!added.contains('x')).then(|| joined('|')),
        "max" if acc.as_ref().is_some_and(|acc| units(&added).le(units(acc))) => acc,
        "sum_length" => Some((number(&acc) + length(&added)).to_string()),
        _ => value,
    }
}

pub(crate) fn subtract(adder: &str, acc: impl Into<Text>, value: impl Into<Text>) -> Text {
    let (acc, value) = (acc.into(), text(value.into().as_ref()));
    Some(match adder {
        "sum_length" => (number(&acc) - length(&value)).to_string(),
        _ => format!("{}-{value}", acc.unwrap_or_default()),
    })
}

/// An adder as reducers are called.
pub(crate) fn reducer<V: Into<Text>>(f: String) -> impl Fn(String, V) -> Text + Send + Sync {
    move |acc, value| add(&f, acc, value)
}

/// An adder as aggregators are called.
pub(crate) fn adder<V: Into<Text>>(f: String) -> impl Fn(&String, V, Text) -> Text + Send + Sync {
    move |_, value, acc| add(&f, acc, value)
}

/// One aggregate of two sessions: the sum of numbers, else both texts.
pub(crate) fn merge(kind: Kind, one: Text, other: Text) -> Text {
    let (Some(first), Some(second)) = (&one, &other) else { return one.or(other) };
    let sum = number(&one).wrapping_add(number(&other));
    Some(if kind == Kind::Long { sum.to_string() } else { format!("{first},{second}") })
}

fn join(joiner: &str, one: Option<&impl ToString>, other: Option<&impl ToString>) -> Text {
    let is_known = other.is_some() || joiner != "null_if_no_right";
    is_known.then(|| format!("{}+{}", text(one), text(other)))
}

pub(crate) fn inner<V: Row, W: Row>(f: String) -> impl Fn(&V, &W) -> Text + Send + Sync {
    move |one, other| join(&f, Some(one), Some(other))
}

pub(crate) fn left<V: Row, W: Row>(f: String) -> impl Fn(&V, Option<&W>) -> Text + Send + Sync {
    move |one, other| join(&f, Some(one), other)
}

pub(crate) fn outer<V: Row, W: Row>(
    f: String,
) -> impl Fn(Option<&V>, Option<&W>) -> Text + Send + Sync {
    move |one, other| join(&f, one, other)
}
