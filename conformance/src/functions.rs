//! The functions of the case language. Lengths, first characters and order count UTF-16 units.

use crate::text::{first_unit, units};
use crate::value::{Kind, Value, text};

fn length(value: Option<&Value>) -> i64 {
    i64::try_from(units(&text(value)).count()).unwrap_or(i64::MAX)
}

pub(crate) fn value(function: &str, value: Option<Value>) -> Option<Value> {
    if let Some(suffix) = function.strip_prefix("append:") {
        return Some(Value::Text(text(value.as_ref()) + suffix));
    }
    let all = || text(value.as_ref());
    match function {
        "upper" => Some(Value::Text(all().to_uppercase())),
        "reverse" => Some(Value::Text(all().chars().rev().collect())),
        "to_string" => Some(Value::Text(all())),
        "length" => Some(Value::Long(length(value.as_ref()))),
        "null_if_short" => value.filter(|value| length(Some(value)) >= 3),
        "plus_one" => value.map(|value| Value::Long(number(Some(&value)) + 1)),
        _ => value,
    }
}

/// The value type that a value function gives.
pub(crate) fn value_kind(function: &str, input: Kind) -> Kind {
    match function {
        "length" | "plus_one" => Kind::Long,
        "identity" | "null_if_short" => input,
        _ => Kind::Text,
    }
}

pub(crate) fn key(function: &str, key: Option<&str>, value: Option<&Value>) -> Option<String> {
    let of_value = value.map(ToString::to_string);
    match function {
        "value" => of_value,
        "first_char" => of_value.and_then(|value| first_unit(&value)),
        "key_prefix" => key.map(|key| first_unit(key).unwrap_or_default()),
        "before_colon" => of_value.and_then(|value| Some(value.split_once(':')?.0.to_owned())),
        "constant" => Some("all".to_owned()),
        _ => key.map(str::to_owned),
    }
}

pub(crate) fn holds(predicate: &str, key: Option<&str>, value: Option<&Value>) -> bool {
    match (predicate, predicate.split_once(':')) {
        (_, Some(("contains", part))) => value.is_some_and(|v| v.to_string().contains(part)),
        (_, Some((_, wanted))) => key == Some(wanted),
        ("non_null", _) => value.is_some(),
        ("even_length", _) => value.is_some() && length(value) % 2 == 0,
        _ => true,
    }
}

/// The parts of a text as Java splits it: empty ones at the end are dropped.
pub(crate) fn split(separator: char, value: Option<&Value>) -> Vec<String> {
    let Some(value) = value.map(ToString::to_string) else { return Vec::new() };
    let kept = value.trim_end_matches(separator);
    let all_empty = kept.is_empty() && !value.is_empty();
    kept.split(separator).filter(|_| !all_empty).map(str::to_owned).collect()
}

pub(crate) fn add(adder: &str, acc: Option<&Value>, value: Option<&Value>) -> Option<Value> {
    let added = text(value);
    let joined = |by: char| {
        Some(Value::Text(acc.map_or_else(|| added.clone(), |acc| format!("{acc}{by}{added}"))))
    };
    match adder {
        "concat" => joined(','),
        "null_on_x" if added.contains('x') => None,
        "null_on_x" => joined('|'),
        "max" => {
            let is_greater = |acc: &Value| units(&added).gt(units(&acc.to_string()));
            if acc.is_none_or(is_greater) { value.cloned() } else { acc.cloned() }
        }
        "sum_length" => Some(Value::Long(number(acc) + length(value))),
        _ => value.cloned(),
    }
}

/// One aggregate of two sessions.
pub(crate) fn merge(one: Option<Value>, other: Option<Value>) -> Option<Value> {
    match (one, other) {
        (Some(Value::Long(one)), Some(Value::Long(other))) => Some(Value::Long(one + other)),
        (Some(one), Some(other)) => Some(Value::Text(format!("{one},{other}"))),
        (one, other) => one.or(other),
    }
}

pub(crate) fn subtract(adder: &str, acc: Option<&Value>, value: Option<&Value>) -> Option<Value> {
    if adder == "sum_length" {
        return Some(Value::Long(number(acc) - length(value)));
    }
    let before = acc.map(ToString::to_string).unwrap_or_default();
    Some(Value::Text(format!("{before}-{}", text(value))))
}

pub(crate) fn join(joiner: &str, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
    let needs_right = joiner == "null_if_no_right";
    let joined = || Value::Text(format!("{}+{}", text(left), text(right)));
    (right.is_some() || !needs_right).then(joined)
}

fn number(acc: Option<&Value>) -> i64 {
    if let Some(Value::Long(number)) = acc { *number } else { 0 }
}

/// The value type that an adder gives as an aggregator.
pub(crate) fn aggregate_kind(adder: &str) -> Kind {
    if adder == "sum_length" { Kind::Long } else { Kind::Text }
}
