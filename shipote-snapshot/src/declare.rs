//! The two declarations that wire forms are made of: `wire_struct!` for objects, `wire_choice!` for variants.

/// Declares an object of the wire: `field: Type` is required, `field: Type = default` may be absent, and
/// `field: Type => default` is also left out on writing where it has that value.
macro_rules! wire_struct {
    (
        $(#[doc = $struct_doc:literal])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident : $ty:ty $(= $default:expr)? $(=> $omit:expr)? ),* $(,)?
        }
        $( one_of($($one:ident),+) )?
    ) => {
        $(#[doc = $struct_doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct $name {
            $( $(#[doc = $doc])* pub(crate) $field: $ty, )*
        }

        impl $name {
            /// Makes the object of the members that `drive` hands over; none where it hands over no object.
            fn of_members<'de>(
                drive: &mut dyn FnMut(
                    &mut shipote_card::json::Members<'_, 'de>,
                ) -> Result<bool, shipote_card::json::Unfit>,
            ) -> Result<Option<Self>, shipote_card::json::Unfit> {
                $( let mut $field: Option<$ty> = None; )*
                let mut fields: [&mut dyn $crate::source::Slot; _] = [$(&mut $field),*];
                let names = const { &[$($crate::wire::bare(stringify!($field))),*] };
                let mut slots = $crate::source::Slots::new(names, &mut fields);
                if !drive(&mut |key, value| slots.fill(key, value))? {
                    return Ok(None);
                }
                let object = Self {
                    $( $field: match $field {
                        Some(value) => value,
                        None => wire_struct!(@absent $(, $default)? $(, $omit)?),
                    }, )*
                };
                $(
                    if [$(object.$one.is_some()),+].iter().filter(|given| **given).count() != 1 {
                        return Err(shipote_card::json::Unfit);
                    }
                )?
                Ok(Some(object))
            }
        }

        impl $crate::wire::Wire for $name {
            const KIND: $crate::wire::Kind = $crate::wire::Kind::Object(&$crate::wire::Object {
                name: stringify!($name),
                fields: &[$(
                    $crate::wire::Field {
                        name: $crate::wire::bare(stringify!($field)),
                        kind: &<$ty as $crate::wire::Wire>::KIND,
                        required: wire_struct!(@required $($default)? $($omit)?),
                        #[cfg(feature = "schema")]
                        doc: concat!($($doc),*),
                    },
                )*],
                one_of: &[$($(stringify!($one)),+)?],
            });

            fn read(value: &mut dyn shipote_card::json::Source<'_>) -> Result<Self, shipote_card::json::Unfit> {
                let object = Self::of_members(&mut |members| value.object(members).map(|()| true))?;
                object.ok_or(shipote_card::json::Unfit)
            }

            fn write(&self, out: &mut alloc::string::String, style: $crate::wire::Style) {
                let mut object = $crate::wire::ObjectWriter::open(out);
                $(
                    if wire_struct!(@written self.$field, $ty $(, $omit)?) {
                        let value = object.key(const { $crate::wire::bare(stringify!($field)) });
                        $crate::wire::Wire::write(&self.$field, value, style);
                    }
                )*
                object.close();
            }
        }
    };

    (@absent) => { return Err(shipote_card::json::Unfit) };
    (@absent, $default:expr) => { $default };
    (@required) => { true };
    (@required $default:expr) => { false };
    (@written $self:ident.$field:ident, $ty:ty) => { true };
    (@written $self:ident.$field:ident, $ty:ty, $omit:expr) => {{
        let omitted: $ty = $omit;
        $self.$field != omitted
    }};
}

/// Declares a choice of the wire: `Variant = "variant"` is a text in either style, `Variant(Type) = "variant"` an
/// object with that one field, and `else Variant(Type)` any other object.
macro_rules! wire_choice {
    (
        $(#[doc = $enum_doc:literal])*
        pub enum $name:ident {
            $( $(#[doc = $doc:literal])* $variant:ident $(($ty:ty))? = $snake:literal ),* $(,)?
            $( ; $(#[doc = $other_doc:literal])* else $other:ident($other_ty:ty) )?
        }
    ) => {
        $(#[doc = $enum_doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum $name {
            $( $(#[doc = $doc])* $variant $(($ty))?, )*
            $( $(#[doc = $other_doc])* $other($other_ty), )?
        }

        impl $name {
            const VARIANTS: &'static [$crate::wire::Variant] = &[$(
                $crate::wire::Variant {
                    camel: stringify!($variant),
                    snake: $snake,
                    payload: wire_choice!(@payload $($ty)?),
                },
            )*];

            /// Returns the variant that is a text.
            fn unit(text: &str) -> Option<Self> {
                let at = Self::VARIANTS.iter().position(|variant| variant.is_called(text))?;
                [$(wire_choice!(@unit $variant $(, $ty)?)),*].into_iter().nth(at)?
            }
        }

        impl $crate::wire::Wire for $name {
            const KIND: $crate::wire::Kind = $crate::wire::Kind::Choice(&$crate::wire::Choice {
                variants: Self::VARIANTS,
                object: wire_choice!(@payload $($other_ty)?),
            });

            fn read(value: &mut dyn shipote_card::json::Source<'_>) -> Result<Self, shipote_card::json::Unfit> {
                wire_choice!(@read value, [$($other, $other_ty)?], [$($variant, $snake $(, $ty)?);*])
            }

            fn write(&self, out: &mut alloc::string::String, style: $crate::wire::Style) {
                $( wire_choice!(@write self, out, style, $name, $variant, $snake $(, $ty)?); )*
                $( if let Self::$other(object) = self { $crate::wire::Wire::write(object, out, style); } )?
            }
        }
    };

    (@read $value:ident, [], [$($variant:ident, $snake:literal);*]) => {
        Self::unit(&$value.text()?).ok_or(shipote_card::json::Unfit)
    };
    (@read $value:ident, [], [$($variant:ident, $snake:literal $(, $ty:ty)?);*]) => {{
        let mut choice = None;
        let form = $value.form(&mut |key, payload| {
            if choice.is_some() {
                return Err(shipote_card::json::Unfit);
            }
            $( $(
                if key == $snake || key == stringify!($variant) {
                    choice = Some(Self::$variant(<$ty as $crate::wire::Wire>::read(payload)?));
                }
            )? )*
            if choice.is_some() { Ok(()) } else { Err(shipote_card::json::Unfit) }
        })?;
        match form {
            shipote_card::json::Form::Text(text) => Self::unit(&text),
            shipote_card::json::Form::Object => choice,
            _ => None,
        }
        .ok_or(shipote_card::json::Unfit)
    }};
    (@read $value:ident, [$other:ident, $other_ty:ty], [$($variant:tt)*]) => {{
        let mut unit = None;
        let object = <$other_ty>::of_members(&mut |members| {
            let form = $value.form(members)?;
            if let shipote_card::json::Form::Text(text) = &form {
                unit = Self::unit(text);
            }
            Ok(matches!(form, shipote_card::json::Form::Object))
        })?;
        unit.or(object.map(Self::$other)).ok_or(shipote_card::json::Unfit)
    }};

    (@unit $variant:ident) => { Some(Self::$variant) };
    (@unit $variant:ident, $ty:ty) => { None };

    (@payload) => { None };
    (@payload $ty:ty) => { Some(&<$ty as $crate::wire::Wire>::KIND) };

    (@write $self:ident, $out:ident, $style:ident, $name:ident, $variant:ident, $snake:literal) => {
        if matches!($self, $name::$variant) {
            let text = if $style == $crate::wire::Style::Camel { stringify!($variant) } else { $snake };
            $crate::wire::write_text($out, text);
        }
    };
    (@write $self:ident, $out:ident, $style:ident, $name:ident, $variant:ident, $snake:literal, $ty:ty) => {
        if let $name::$variant(payload) = $self {
            let mut object = $crate::wire::ObjectWriter::open($out);
            let text = if $style == $crate::wire::Style::Camel { stringify!($variant) } else { $snake };
            $crate::wire::Wire::write(payload, object.key(text), $style);
            object.close();
        }
    };
}
