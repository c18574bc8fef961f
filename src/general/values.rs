//! What stands for the parameters and results of functions whose types are known at run time alone, in
//! Wasmtime's typed functions: calls of exported functions, and the program's own.

use std::any::Any;
use std::cell::RefCell;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::sync::Arc;

use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext};
use wasmtime::component::{
    ComponentNamedList, ComponentType, Func, Lift, LinkerInstance, Lower, ResourceType, TypedFunc,
};
use wasmtime::{AsContext, Result, StoreContextMut, ValRaw, bail};
use wasmtime_environ::component::{ComponentTypes, MAX_FLAT_PARAMS, MAX_FLAT_RESULTS, ResourceIndex};
use wasmtime_environ::prelude::TryPrimaryMap;

use super::lift::{self, Came, Lifted};
use super::lower::{self, Check, Misfit};
use super::wanted::Wanted;
use super::watch::Steps;
use crate::contract::host::Host;
use crate::engine::given::Key;
use crate::engine::value::Value;

/// `N` core values, whatever they stand for. In memory they have no size of their own: that is the
/// type's, which is known when a value is lifted or lowered.
const fn abi(count: usize) -> CanonicalAbiInfo {
    CanonicalAbiInfo { size32: 0, align32: 1, size64: 0, align64: 1, flat_count: Some(count as u8) }
}

/// Whether values of the types in `tuple` are `count` core values; or more than `max`, and go by memory.
fn counts(tuple: &InterfaceType, types: &InstanceType<'_>, max: usize, count: usize) -> Result<()> {
    match lift::parts(types.types, *tuple)?.1.flat_count(max) {
        Some(n) if n != count => bail!("{n} core values where {count} were expected"),
        _ => Ok(()),
    }
}

/// Lowers values to core values, all of which are written.
fn write<const N: usize, T: 'static>(
    cx: &mut LowerContext<'_, T>,
    tuple: InterfaceType,
    values: &[Value],
    dst: &mut MaybeUninit<[ValRaw; N]>,
) -> Result<()> {
    let mut slots = [ValRaw::u64(0); N];
    lower::flat(cx, tuple, values, &mut slots)?;
    dst.write(slots);
    Ok(())
}

/// Gives the resources that came with values to the program. Without this the instance still holds
/// what is owned, and ends it.
pub fn give_back(host: &mut Host, came: &[Came]) -> std::result::Result<(), &'static str> {
    let kind = |came: &Came| host.resources.iter().find(|(known, _)| *known == came.ty).map(|(_, kind)| *kind);
    if came.iter().any(|came| kind(came).is_none()) {
        return Err("a resource that is not the host's");
    }
    for came in came.iter().filter(|came| came.owned) {
        if let Some(kind) = kind(came) {
            host.given.back((kind, came.rep));
        }
    }
    Ok(())
}

/* ---- calls of exported functions ----------------------------------------------- */

/// The types of a function and of the component's resources.
pub struct Seen {
    /// A tuple.
    params: InterfaceType,
    types: Arc<ComponentTypes>,
    resources: Option<Arc<TryPrimaryMap<ResourceIndex, ResourceType>>>,
}

thread_local! {
    /// What Wasmtime shows of a function's type to whoever checks it. Never dropped here, so that it is
    /// there also while a thread ends; it is taken at once.
    static SEEN: RefCell<ManuallyDrop<Option<Seen>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// An exported function.
pub type Exported = TypedFunc<Params, Results>;

/// The function for calls with any values, and its types.
pub fn exported(func: Func, store: impl AsContext) -> Result<(Exported, Seen)> {
    let typed = func.typed(store);
    match SEEN.with_borrow_mut(|seen| seen.take()) {
        Some(seen) => Ok((typed?, seen)),
        None => bail!("the types of a function were not seen"),
    }
}

impl Seen {
    /// How many parameters there are.
    pub fn params(&self) -> usize {
        self.types().len()
    }

    /// What the argument `i` should be.
    pub fn wanted(&self, i: usize) -> Wanted<'_> {
        self.types().get(i).map_or(Wanted::None, |ty| Wanted::Type(&self.types, *ty))
    }

    fn types(&self) -> &[InterfaceType] {
        let InterfaceType::Tuple(i) = self.params else { return &[] };
        &self.types[i].types
    }

    /// Whether `args` are of the parameters' types; gives what of them the component will own. An error
    /// says which is not.
    pub fn check(
        &self,
        args: &[Value],
        known: &[(ResourceType, u32)],
    ) -> std::result::Result<Vec<Key>, (usize, Misfit)> {
        let instance = InstanceType { types: &self.types, resources: self.resources.as_ref() };
        let resource = |table| instance.resource_type(table);
        let mut check =
            Check { types: &self.types, resource: &resource, known, owned: Vec::new(), steps: Steps::default() };
        for (i, (arg, ty)) in args.iter().zip(self.types()).enumerate() {
            check.value(arg, *ty).map_err(|misfit| (i, misfit))?;
        }
        Ok(check.owned)
    }
}

/// Arguments that were checked.
pub struct Params(pub Vec<Value>);

/// What a function gave.
pub struct Results(pub Lifted);

#[allow(unsafe_code)] // values that are described by types at run time
// SAFETY: room for as many core values as parameters can be; a function reads those that it has.
unsafe impl ComponentType for Params {
    type Lower = [ValRaw; MAX_FLAT_PARAMS];
    const ABI: CanonicalAbiInfo = abi(MAX_FLAT_PARAMS);

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        let seen = Seen { params: *ty, types: types.types.clone(), resources: types.resources.cloned() };
        drop(SEEN.with_borrow_mut(|at| at.replace(seen)));
        Ok(())
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: all of `dst` is written.
unsafe impl Lower for Params {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        write(cx, ty, &self.0, dst)
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, at: usize) -> Result<()> {
        lower::memory(cx, ty, &self.0, at)
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: a list of parameters is described by a tuple.
unsafe impl ComponentNamedList for Params {}

#[allow(unsafe_code)] // the same
// SAFETY: a result is one core value at most, and one that is more lies where that points to.
unsafe impl ComponentType for Results {
    type Lower = [ValRaw; MAX_FLAT_RESULTS];
    const ABI: CanonicalAbiInfo = abi(MAX_FLAT_RESULTS);

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: every read of memory is checked; no core value is read that the function does not give.
unsafe impl Lift for Results {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &Self::Lower) -> Result<Self> {
        lift::flat(cx, ty, MAX_FLAT_RESULTS, src).map(Self)
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        lift::memory(cx, ty, offset(cx, bytes)).map(Self)
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: as for `Params`.
unsafe impl ComponentNamedList for Results {}

/// Where `bytes` lie in memory.
fn offset(cx: &LiftContext<'_>, bytes: &[u8]) -> usize {
    bytes.as_ptr().addr().saturating_sub(cx.memory().as_ptr().addr())
}

/* ---- the program's functions --------------------------------------------------- */

/// A function of the program's.
pub trait Program: Send + Sync + 'static {
    /// Runs it. An error traps the component.
    fn run(&self, cx: &mut StoreContextMut<'_, Host>, args: Lifted) -> Result<Option<Value>>;

    /// The error for a result that does not fit, for the reason that is said.
    fn unfit(&self, reason: String) -> wasmtime::Error;
}

/// What a function of the program's is given, as `N` core values.
struct Args<const N: usize>(Lifted);

/// What one gives, as `N` core values.
struct Answer<const N: usize> {
    value: Option<Value>,
    of: Arc<dyn Program>,
}

#[allow(unsafe_code)] // values that are described by types at run time
// SAFETY: the type check says that there are as many core values.
unsafe impl<const N: usize> ComponentType for Args<N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = abi(N);

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        counts(ty, types, MAX_FLAT_PARAMS, N)
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: every read of memory is checked, and every one of core values.
unsafe impl<const N: usize> Lift for Args<N> {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &Self::Lower) -> Result<Self> {
        lift::flat(cx, ty, MAX_FLAT_PARAMS, src).map(Self)
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        lift::memory(cx, ty, offset(cx, bytes)).map(Self)
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: a list of parameters is described by a tuple.
unsafe impl<const N: usize> ComponentNamedList for Args<N> {}

impl<const N: usize> Answer<N> {
    /// Checks the value, which the component has from then on.
    fn check<T: 'static>(&self, cx: &mut LowerContext<'_, T>, tuple: InterfaceType) -> Result<&[Value]> {
        let Some(value) = &self.value else { return Ok(&[]) };
        let types = cx.types;
        let Some(ty) = lift::parts(types, tuple)?.0.first().copied() else {
            return Err(self.of.unfit(format!("it has no result and gave a {}", value.kind())));
        };
        let Some(host) = (cx.store.data() as &dyn Any).downcast_ref::<Host>() else { bail!("a store without a host") };
        let resource = |table| cx.resource_type(table);
        let (owned, steps) = (Vec::new(), Steps::default());
        let mut check = Check { types, resource: &resource, known: &host.resources, owned, steps };
        // Where it does not fit, what it owns stays the program's.
        check.value(value, ty).map_err(|misfit| match misfit {
            Misfit::Type(what) => self.of.unfit(format!("its result does not fit its type: {what}")),
            Misfit::Other(error) => error,
        })?;
        let owned = check.owned;
        let Some(host) = (cx.store.data_mut() as &mut dyn Any).downcast_mut::<Host>() else {
            bail!("a store without a host")
        };
        if let Err(breach) = host.given.take(owned.iter().copied()) {
            owned.into_iter().for_each(|key| host.given.end(key));
            return Err(breach.into());
        }
        Ok(std::slice::from_ref(value))
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: the type check says that there are as many core values.
unsafe impl<const N: usize> ComponentType for Answer<N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = abi(N);

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        counts(ty, types, MAX_FLAT_RESULTS, N)
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: all of `dst` is written.
unsafe impl<const N: usize> Lower for Answer<N> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        let values = self.check(cx, ty)?;
        write(cx, ty, values, dst)
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, at: usize) -> Result<()> {
        let values = self.check(cx, ty)?;
        lower::memory(cx, ty, values, at)
    }
}

#[allow(unsafe_code)] // the same
// SAFETY: as for `Args`.
unsafe impl<const N: usize> ComponentNamedList for Answer<N> {}

fn wrap<const N: usize>(
    place: &mut LinkerInstance<'_, Host>,
    name: &str,
    results: usize,
    program: Arc<dyn Program>,
) -> Result<()> {
    fn one<const N: usize, const M: usize>(
        place: &mut LinkerInstance<'_, Host>,
        name: &str,
        of: Arc<dyn Program>,
    ) -> Result<()> {
        place.func_wrap(name, move |mut cx: StoreContextMut<'_, Host>, args: Args<N>| {
            of.run(&mut cx, args.0).map(|value| Answer::<M> { value, of: of.clone() })
        })
    }
    match results {
        1 => one::<N, 1>(place, name, program),
        _ => one::<N, 0>(place, name, program),
    }
}

/// Defines `name` in `place`, a function with so many core values as parameters and result: where they
/// are too many, there are none, and what they are lies in memory.
pub fn define(
    place: &mut LinkerInstance<'_, Host>,
    name: &str,
    (params, results): (usize, usize),
    program: Arc<dyn Program>,
) -> Result<()> {
    macro_rules! by_count {
        ($($n:literal)*) => {
            match params {
                $($n => wrap::<$n>(place, name, results, program),)*
                _ => wrap::<0>(place, name, results, program),
            }
        };
    }
    by_count!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}
