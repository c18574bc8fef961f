//! Host functions that take and give whole strings of bytes or text: linked with static types, so
//! that Wasmtime copies a `list<u8>` at once, where its dynamic values have one for each byte.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, LinkerInstance, Lower, WasmList, WasmStr};

use crate::contract::host::Host;
use crate::engine::value::Value;

/// A parameter or result that has static types here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// No result.
    Nothing,
    /// `list<u8>`
    Bytes,
    /// `string`
    Text,
    /// `option<list<u8>>`
    MaybeBytes,
    /// `option<string>`
    MaybeText,
    /// `result<list<u8>, string>`
    TriedBytes,
    /// `result<_, string>`
    Tried,
}

/// What a host function does with its arguments; an error traps the guest.
pub type Run = Box<dyn Fn(&Host, Vec<Value>) -> wasmtime::Result<Option<Value>> + Send + Sync>;

/// What does not fit, in words.
type Fit<T> = Result<T, String>;

trait Param: ComponentType + Lift + 'static {
    fn value(self, cx: &StoreContextMut<'_, Host>) -> wasmtime::Result<Value>;
}

impl Param for WasmList<u8> {
    fn value(self, cx: &StoreContextMut<'_, Host>) -> wasmtime::Result<Value> {
        Ok(Value::Bytes(self.as_le_slice(cx).to_vec()))
    }
}

impl Param for WasmStr {
    fn value(self, cx: &StoreContextMut<'_, Host>) -> wasmtime::Result<Value> {
        Ok(Value::String(self.to_str(cx)?.into_owned()))
    }
}

trait Params: ComponentNamedList + Lift + 'static {
    fn values(self, cx: &StoreContextMut<'_, Host>) -> wasmtime::Result<Vec<Value>>;
}

impl<A: Param> Params for (A,) {
    fn values(self, cx: &StoreContextMut<'_, Host>) -> wasmtime::Result<Vec<Value>> {
        Ok(vec![self.0.value(cx)?])
    }
}

impl<A: Param, B: Param> Params for (A, B) {
    fn values(self, cx: &StoreContextMut<'_, Host>) -> wasmtime::Result<Vec<Value>> {
        Ok(vec![self.0.value(cx)?, self.1.value(cx)?])
    }
}

trait Given: Sized {
    fn given(value: Value) -> Fit<Self>;
}

impl Given for Vec<u8> {
    fn given(value: Value) -> Fit<Self> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::List(values) => {
                let byte = |value| match value {
                    Value::U8(byte) => Ok(byte),
                    other => Err(format!("expected list<u8>, found a list with {}", other.kind())),
                };
                values.into_iter().map(byte).collect()
            }
            other => Err(format!("expected list<u8>, found {}", other.kind())),
        }
    }
}

impl Given for String {
    fn given(value: Value) -> Fit<Self> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(format!("expected string, found {}", other.kind())),
        }
    }
}

impl<T: Given> Given for Option<T> {
    fn given(value: Value) -> Fit<Self> {
        match value {
            Value::Option(some) => some.map(|value| T::given(*value)).transpose(),
            other => Err(format!("expected option, found {}", other.kind())),
        }
    }
}

/// What a `result` holds.
trait Held: Sized {
    fn held(value: Option<Box<Value>>) -> Fit<Self>;
}

impl Held for () {
    fn held(value: Option<Box<Value>>) -> Fit<Self> {
        value.map_or(Ok(()), |value| Err(format!("ok: expected no payload, found {}", value.kind())))
    }
}

impl Held for Vec<u8> {
    fn held(value: Option<Box<Value>>) -> Fit<Self> {
        Self::given(*value.ok_or("ok: expected a payload of type list<u8>, found none")?)
    }
}

impl<T: Held> Given for Result<T, String> {
    fn given(value: Value) -> Fit<Self> {
        match value {
            Value::Result(Ok(value)) => Ok(Ok(T::held(value)?)),
            Value::Result(Err(Some(error))) => Ok(Err(String::given(*error)?)),
            Value::Result(Err(None)) => Err("error: expected a payload of type string, found none".into()),
            other => Err(format!("expected result, found {}", other.kind())),
        }
    }
}

fn wrap<P: Params, R>(
    place: &mut LinkerInstance<'_, Host>,
    name: &str,
    run: Run,
    fit: impl Fn(Option<Value>) -> wasmtime::Result<R> + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    R: ComponentNamedList + Lower + 'static,
{
    place.func_wrap(name, move |cx: StoreContextMut<'_, Host>, params: P| {
        let params = params.values(&cx)?;
        fit(run(cx.data(), params)?)
    })
}

fn result<P: Params>(
    place: &mut LinkerInstance<'_, Host>,
    name: &str,
    shape: Shape,
    run: Run,
    refused: impl Fn(String) -> wasmtime::Error + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    fn one<T: Given>(
        refused: impl Fn(String) -> wasmtime::Error + Send + Sync + 'static,
    ) -> impl Fn(Option<Value>) -> wasmtime::Result<(T,)> + Send + Sync + 'static {
        move |value| {
            let value = value.ok_or_else(|| refused("it has a result and gave none".into()))?;
            let fit = T::given(value).map_err(|e| refused(format!("its result does not fit its type: {e}")))?;
            Ok((fit,))
        }
    }
    match shape {
        Shape::Nothing => wrap::<P, ()>(place, name, run, move |value| match value {
            None => Ok(()),
            Some(value) => Err(refused(format!("it has no result and gave a {}", value.kind()))),
        }),
        Shape::Bytes => wrap::<P, _>(place, name, run, one::<Vec<u8>>(refused)),
        Shape::Text => wrap::<P, _>(place, name, run, one::<String>(refused)),
        Shape::MaybeBytes => wrap::<P, _>(place, name, run, one::<Option<Vec<u8>>>(refused)),
        Shape::MaybeText => wrap::<P, _>(place, name, run, one::<Option<String>>(refused)),
        Shape::TriedBytes => wrap::<P, _>(place, name, run, one::<Result<Vec<u8>, String>>(refused)),
        Shape::Tried => wrap::<P, _>(place, name, run, one::<Result<(), String>>(refused)),
    }
}

/// Whether [`add`] takes a function of this shape.
pub fn takes(params: &[Shape]) -> bool {
    (1..=2).contains(&params.len()) && params.iter().all(|shape| matches!(shape, Shape::Bytes | Shape::Text))
}

/// Defines `name` in `place`. `refused` makes an error of what is wrong with a result.
pub fn add(
    place: &mut LinkerInstance<'_, Host>,
    name: &str,
    (params, given): (&[Shape], Shape),
    run: Run,
    refused: impl Fn(String) -> wasmtime::Error + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    type B = WasmList<u8>;
    type S = WasmStr;
    match params {
        [Shape::Bytes] => result::<(B,)>(place, name, given, run, refused),
        [Shape::Bytes, Shape::Bytes] => result::<(B, B)>(place, name, given, run, refused),
        [Shape::Bytes, _] => result::<(B, S)>(place, name, given, run, refused),
        [_, Shape::Bytes] => result::<(S, B)>(place, name, given, run, refused),
        [_] => result::<(S,)>(place, name, given, run, refused),
        _ => result::<(S, S)>(place, name, given, run, refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_may_come_one_by_one() {
        let list = |last| Value::List(vec![Value::U8(1), last]);
        assert_eq!(Vec::<u8>::given(Value::Bytes(vec![1, 2])), Ok(vec![1, 2]));
        assert_eq!(Vec::<u8>::given(list(Value::U8(2))), Ok(vec![1, 2]));
        assert!(Vec::<u8>::given(list(Value::U16(2))).unwrap_err().contains("u16"));
    }
}
