//! Values between Wasmtime's dynamic ones and ours, by their type.

use wasmtime::StoreContextMut;
use wasmtime::component::{ResourceAny, ResourceDynamic, ResourceType, Type, Val};

use crate::contract::host::{Breach, Host};
use crate::engine::given::Key;
use crate::engine::value::Value;

/// A value may be this deep.
const DEEPEST: usize = 128;

/// What does not fit, in words.
type Fit<T> = Result<T, String>;

fn unfit<T>(wanted: &str, value: &Value) -> Fit<T> {
    Err(format!("expected {wanted}, found {}", value.kind()))
}

/// What to call a type in an error.
fn name(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::Float32 => "f32",
        Type::Float64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::List(_) | Type::FixedLengthList(_) => "list",
        Type::Map(_) => "map, as a list of tuples",
        Type::Record(_) => "record",
        Type::Tuple(_) => "tuple",
        Type::Variant(_) => "variant",
        Type::Enum(_) => "enum",
        Type::Option(_) => "option",
        Type::Result(_) => "result",
        Type::Flags(_) => "flags",
        Type::Own(_) => "own",
        Type::Borrow(_) => "borrow",
        Type::Future(_) | Type::Stream(_) | Type::ErrorContext => "an asynchronous type",
    }
}

fn inside<T>(place: impl std::fmt::Display, fit: Fit<T>) -> Fit<T> {
    fit.map_err(|e| format!("{place}: {e}"))
}

/// The way of values to a component, and the resources that were made for it.
pub struct Lowering<'c, 'h> {
    cx: &'c mut StoreContextMut<'h, Host>,
    owned: Vec<(ResourceAny, Key)>,
    lent: Vec<ResourceAny>,
}

/// What a call was given: lent, to be let go of after it, and the component's own from then on.
pub struct Lent {
    lent: Vec<ResourceAny>,
    owned: Vec<(ResourceAny, Key)>,
}

impl Lent {
    /// The call returned.
    pub fn end(self, mut cx: StoreContextMut<'_, Host>) {
        for any in self.lent {
            // Fails where the component kept it, which trapped the call.
            let _ = any.try_into_resource_dynamic(&mut cx);
        }
    }

    /// There is no call after all: everything is the host's again.
    pub fn take_back(self, mut cx: StoreContextMut<'_, Host>) {
        self.owned.iter().for_each(|(_, key)| cx.data_mut().given.back(*key));
        drop(Lowering { cx: &mut cx, owned: self.owned, lent: self.lent }.undo());
    }
}

impl<'c, 'h> Lowering<'c, 'h> {
    /// Nothing made yet.
    pub fn new(cx: &'c mut StoreContextMut<'h, Host>) -> Self {
        Self { cx, owned: Vec::new(), lent: Vec::new() }
    }

    /// All values fit: the component has the resources now, or none of them where it has too many.
    pub fn give(mut self) -> Result<Lent, (Breach, Vec<Key>)> {
        match self.cx.data_mut().given.take(self.owned.iter().map(|(_, key)| *key)) {
            Ok(()) => Ok(Lent { lent: self.lent, owned: self.owned }),
            Err(breach) => Err((breach, self.undo())),
        }
    }

    /// Takes all resources back; gives those that were to be the component's own.
    pub fn undo(&mut self) -> Vec<Key> {
        let owned = std::mem::take(&mut self.owned);
        let (owned, keys): (Vec<_>, Vec<_>) = owned.into_iter().unzip();
        for any in owned.into_iter().chain(std::mem::take(&mut self.lent)) {
            // It was made a moment ago and lent to nobody.
            let _ = any.try_into_resource_dynamic(&mut *self.cx);
        }
        keys
    }

    fn resource(&mut self, rep: u32, ty: ResourceType) -> Fit<(ResourceAny, Key)> {
        let kind = self.cx.data().resources.iter().find(|(known, _)| *known == ty).map(|(_, kind)| *kind);
        let kind = kind.ok_or("the resource is not the host's")?;
        let any = ResourceDynamic::new_own(rep, kind).try_into_resource_any(&mut *self.cx);
        Ok((any.map_err(|e| format!("{e:#}"))?, (kind, rep)))
    }

    fn each(&mut self, values: Vec<Value>, ty: &Type, depth: usize) -> Fit<Vec<Val>> {
        let values = values.into_iter().enumerate();
        values.map(|(i, v)| inside(format_args!("[{i}]"), self.at(v, ty, depth))).collect()
    }

    fn boxed(&mut self, payload: Option<Box<Value>>, ty: Option<Type>, depth: usize) -> Fit<Option<Box<Val>>> {
        match (payload, ty) {
            (None, None) => Ok(None),
            (Some(value), Some(ty)) => Ok(Some(Box::new(self.at(*value, &ty, depth)?))),
            (Some(value), None) => Err(format!("expected no payload, found {}", value.kind())),
            (None, Some(ty)) => Err(format!("expected a payload of type {}, found none", name(&ty))),
        }
    }

    /// One of ours as Wasmtime's, of type `ty`.
    pub fn val(&mut self, value: Value, ty: &Type) -> Fit<Val> {
        self.at(value, ty, 0)
    }

    fn at(&mut self, value: Value, ty: &Type, depth: usize) -> Fit<Val> {
        if depth > DEEPEST {
            return Err(format!("the value is nested deeper than {DEEPEST}"));
        }
        let depth = depth + 1;
        Ok(match (ty, value) {
            (Type::Bool, Value::Bool(v)) => Val::Bool(v),
            (Type::S8, Value::S8(v)) => Val::S8(v),
            (Type::U8, Value::U8(v)) => Val::U8(v),
            (Type::S16, Value::S16(v)) => Val::S16(v),
            (Type::U16, Value::U16(v)) => Val::U16(v),
            (Type::S32, Value::S32(v)) => Val::S32(v),
            (Type::U32, Value::U32(v)) => Val::U32(v),
            (Type::S64, Value::S64(v)) => Val::S64(v),
            (Type::U64, Value::U64(v)) => Val::U64(v),
            (Type::Float32, Value::F32(v)) => Val::Float32(v),
            (Type::Float64, Value::F64(v)) => Val::Float64(v),
            (Type::Char, Value::Char(v)) => Val::Char(v),
            (Type::String, Value::String(v)) => Val::String(v),
            (Type::List(list), Value::Bytes(bytes)) if matches!(list.ty(), Type::U8) => {
                Val::List(bytes.into_iter().map(Val::U8).collect())
            }
            (Type::List(list), Value::List(values)) => Val::List(self.each(values, &list.ty(), depth)?),
            (Type::FixedLengthList(list), value) => {
                let values = match value {
                    Value::List(values) => values,
                    Value::Bytes(bytes) => bytes.into_iter().map(Value::U8).collect(),
                    other => return unfit("list", &other),
                };
                if values.len() as u64 != list.len() as u64 {
                    return Err(format!("expected {} elements, found {}", list.len(), values.len()));
                }
                Val::FixedLengthList(self.each(values, &list.ty(), depth)?)
            }
            (Type::Map(map), Value::List(pairs)) => Val::Map(
                pairs
                    .into_iter()
                    .map(|pair| match pair {
                        Value::Tuple(pair) => match <[Value; 2]>::try_from(pair) {
                            Ok([key, value]) => {
                                Ok((self.at(key, &map.key(), depth)?, self.at(value, &map.value(), depth)?))
                            }
                            Err(_) => Err("expected a key and a value".into()),
                        },
                        other => unfit("a tuple of key and value", &other),
                    })
                    .collect::<Fit<_>>()?,
            ),
            (Type::Record(record), Value::Record(mut fields)) => {
                let given = fields.len();
                let mut out = Vec::with_capacity(given);
                for field in record.fields() {
                    let at = fields.iter().position(|(name, _)| name == field.name);
                    let at = at.ok_or_else(|| format!("the field `{}` is missing", field.name))?;
                    let (name, value) = fields.swap_remove(at);
                    let value = inside(&name, self.at(value, &field.ty, depth))?;
                    out.push((name, value));
                }
                if let Some((name, _)) = fields.first() {
                    return Err(format!("there is no field `{name}`, or it is there twice"));
                }
                Val::Record(out)
            }
            (Type::Tuple(tuple), Value::Tuple(values)) => {
                if values.len() != tuple.types().len() {
                    return Err(format!("expected {} values, found {}", tuple.types().len(), values.len()));
                }
                let values = values.into_iter().zip(tuple.types());
                Val::Tuple(values.map(|(value, ty)| self.at(value, &ty, depth)).collect::<Fit<_>>()?)
            }
            (Type::Variant(variant), Value::Variant(case, payload)) => {
                let found =
                    variant.cases().find(|c| c.name == case).ok_or_else(|| format!("there is no case `{case}`"))?;
                let payload = inside(&case, self.boxed(payload, found.ty, depth))?;
                Val::Variant(case, payload)
            }
            (Type::Enum(e), Value::Enum(case)) => match e.names().any(|name| name == case) {
                true => Val::Enum(case),
                false => return Err(format!("there is no case `{case}`")),
            },
            (Type::Option(option), Value::Option(some)) => Val::Option(match some {
                None => None,
                Some(value) => Some(Box::new(self.at(*value, &option.ty(), depth)?)),
            }),
            (Type::Result(result), Value::Result(Ok(value))) => {
                Val::Result(Ok(inside("ok", self.boxed(value, result.ok(), depth))?))
            }
            (Type::Result(result), Value::Result(Err(value))) => {
                Val::Result(Err(inside("error", self.boxed(value, result.err(), depth))?))
            }
            (Type::Flags(flags), Value::Flags(set)) => match set.iter().find(|f| !flags.names().any(|name| name == *f))
            {
                None => Val::Flags(set),
                Some(unknown) => return Err(format!("there is no flag `{unknown}`")),
            },
            (Type::Own(ty), Value::Own(rep)) => {
                let owned = self.resource(rep, *ty)?;
                self.owned.push(owned);
                Val::Resource(owned.0)
            }
            // Outside of a call Wasmtime makes no borrow; it lends what the host owns for the call's length.
            (Type::Borrow(ty), Value::Borrow(rep)) => {
                let (any, _) = self.resource(rep, *ty)?;
                self.lent.push(any);
                Val::Resource(any)
            }
            (ty, value) => return unfit(name(ty), &value),
        })
    }
}

/// The way of values from a component, and the resources that come back with them.
pub struct Lifting<'c, 'h> {
    cx: &'c mut StoreContextMut<'h, Host>,
    owned: Vec<Key>,
}

impl<'c, 'h> Lifting<'c, 'h> {
    /// Nothing lifted yet.
    pub fn new(cx: &'c mut StoreContextMut<'h, Host>) -> Self {
        Self { cx, owned: Vec::new() }
    }

    /// All values are ones of ours: the program has what they own. Without this the instance still
    /// holds it, and ends it.
    pub fn give_back(self) {
        self.owned.into_iter().for_each(|key| self.cx.data_mut().given.back(key));
    }

    fn boxed(&mut self, payload: Option<Box<Val>>, ty: Option<Type>) -> Fit<Option<Box<Value>>> {
        match (payload, ty) {
            (Some(val), Some(ty)) => self.val(*val, &ty).map(|value| Some(Box::new(value))),
            _ => Ok(None),
        }
    }

    fn each(&mut self, values: Vec<Val>, ty: &Type) -> Fit<Value> {
        values.into_iter().map(|v| self.val(v, ty)).collect::<Fit<_>>().map(Value::List)
    }

    /// Wasmtime's value of type `ty` as one of ours.
    pub fn val(&mut self, val: Val, ty: &Type) -> Fit<Value> {
        Ok(match (ty, val) {
            (_, Val::Bool(v)) => Value::Bool(v),
            (_, Val::S8(v)) => Value::S8(v),
            (_, Val::U8(v)) => Value::U8(v),
            (_, Val::S16(v)) => Value::S16(v),
            (_, Val::U16(v)) => Value::U16(v),
            (_, Val::S32(v)) => Value::S32(v),
            (_, Val::U32(v)) => Value::U32(v),
            (_, Val::S64(v)) => Value::S64(v),
            (_, Val::U64(v)) => Value::U64(v),
            (_, Val::Float32(v)) => Value::F32(v),
            (_, Val::Float64(v)) => Value::F64(v),
            (_, Val::Char(v)) => Value::Char(v),
            (_, Val::String(v)) => Value::String(v),
            (Type::List(list), Val::List(values)) if matches!(list.ty(), Type::U8) => {
                Value::Bytes(values.into_iter().map(|v| if let Val::U8(byte) = v { byte } else { 0 }).collect())
            }
            (Type::List(list), Val::List(values)) => self.each(values, &list.ty())?,
            (Type::FixedLengthList(list), Val::FixedLengthList(values)) => self.each(values, &list.ty())?,
            (Type::Map(map), Val::Map(pairs)) => {
                let (key, value) = (map.key(), map.value());
                let pair = |(k, v)| Ok(Value::Tuple(vec![self.val(k, &key)?, self.val(v, &value)?]));
                Value::List(pairs.into_iter().map(pair).collect::<Fit<_>>()?)
            }
            (Type::Record(record), Val::Record(fields)) => {
                let fields = fields.into_iter().zip(record.fields());
                Value::Record(fields.map(|((n, v), f)| Ok((n, self.val(v, &f.ty)?))).collect::<Fit<_>>()?)
            }
            (Type::Tuple(tuple), Val::Tuple(values)) => {
                let values = values.into_iter().zip(tuple.types());
                Value::Tuple(values.map(|(v, ty)| self.val(v, &ty)).collect::<Fit<_>>()?)
            }
            (Type::Variant(variant), Val::Variant(case, payload)) => {
                let ty = variant.cases().find(|c| c.name == case).and_then(|c| c.ty);
                let payload = self.boxed(payload, ty)?;
                Value::Variant(case, payload)
            }
            (_, Val::Enum(case)) => Value::Enum(case),
            (Type::Option(option), Val::Option(payload)) => Value::Option(self.boxed(payload, Some(option.ty()))?),
            (Type::Result(result), Val::Result(Ok(payload))) => Value::Result(Ok(self.boxed(payload, result.ok())?)),
            (Type::Result(result), Val::Result(Err(payload))) => Value::Result(Err(self.boxed(payload, result.err())?)),
            (_, Val::Flags(set)) => Value::Flags(set),
            (ty, Val::Resource(any)) => {
                let dynamic =
                    any.try_into_resource_dynamic(&mut *self.cx).map_err(|_| "a resource that is not the host's")?;
                if matches!(ty, Type::Own(_)) {
                    self.owned.push((dynamic.ty(), dynamic.rep()));
                    Value::Own(dynamic.rep())
                } else {
                    Value::Borrow(dynamic.rep())
                }
            }
            (ty, _) => return Err(format!("a value of {}, which the host cannot take", name(ty))),
        })
    }
}
