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

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;
                impl<'de> serde::de::Visitor<'de> for ObjectVisitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        $( let mut $field: Option<$ty> = None; )*
                        while let Some(key) = map.next_key::<$crate::wire::Key<'de>>()? {
                            let key: &str = &key.0;
                            $(
                                if key == const { $crate::wire::bare(stringify!($field)) } {
                                    if $field.replace(map.next_value()?).is_some() {
                                        return Err(serde::de::Error::duplicate_field(stringify!($field)));
                                    }
                                    continue;
                                }
                            )*
                            return Err(serde::de::Error::unknown_field(key, &[]));
                        }
                        let object = $name {
                            $( $field: match $field {
                                Some(value) => value,
                                None => wire_struct!(@absent $field $(, $default)? $(, $omit)?),
                            }, )*
                        };
                        $(
                            if [$(object.$one.is_some()),+].iter().filter(|given| **given).count() != 1 {
                                return Err(serde::de::Error::custom("exactly one alternative is needed"));
                            }
                        )?
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(ObjectVisitor)
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
                        doc: concat!($($doc),*),
                    },
                )*],
                one_of: &[$($(stringify!($one)),+)?],
            });

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

    (@absent $field:ident) => {
        return Err(serde::de::Error::missing_field(stringify!($field)))
    };
    (@absent $field:ident, $default:expr) => { $default };
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

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ChoiceVisitor;
                impl<'de> serde::de::Visitor<'de> for ChoiceVisitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        f.write_str("one of its variants")
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $( wire_choice!(@unit text, $name, $variant, $snake $(, $ty)?); )*
                        Err(E::unknown_variant(text, &[$($snake),*]))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<$name, A::Error> {
                        wire_choice!(@object map, $name, [$($other, $other_ty)?] $(, [$variant, $snake $(, $ty)?])*)
                    }
                }
                deserializer.deserialize_any(ChoiceVisitor)
            }
        }

        impl $crate::wire::Wire for $name {
            const KIND: $crate::wire::Kind = $crate::wire::Kind::Choice(&$crate::wire::Choice {
                variants: &[$(
                    $crate::wire::Variant {
                        camel: stringify!($variant),
                        snake: $snake,
                        payload: wire_choice!(@payload $($ty)?),
                    },
                )*],
                object: wire_choice!(@payload $($other_ty)?),
            });

            fn write(&self, out: &mut alloc::string::String, style: $crate::wire::Style) {
                $( wire_choice!(@write self, out, style, $name, $variant, $snake $(, $ty)?); )*
                $( if let Self::$other(object) = self { $crate::wire::Wire::write(object, out, style); } )?
            }
        }
    };

    (@unit $text:ident, $name:ident, $variant:ident, $snake:literal) => {
        if $text == $snake || $text == stringify!($variant) {
            return Ok($name::$variant);
        }
    };
    (@unit $text:ident, $name:ident, $variant:ident, $snake:literal, $ty:ty) => {};

    (@object $map:ident, $name:ident, [$other:ident, $other_ty:ty] $(, $variant:tt)*) => {
        <$other_ty as serde::Deserialize>::deserialize(serde::de::value::MapAccessDeserializer::new($map))
            .map($name::$other)
    };
    (@object $map:ident, $name:ident, [] $(, [$variant:ident, $snake:literal])*) => {{
        let _ = $map;
        Err(serde::de::Error::custom("a text is needed"))
    }};
    (@object $map:ident, $name:ident, [] $(, [$variant:ident, $snake:literal $(, $ty:ty)?])*) => {{
        let mut map = $map;
        let mut choice = None;
        while let Some(key) = map.next_key::<$crate::wire::Key<'de>>()? {
            let key: &str = &key.0;
            if choice.is_some() {
                return Err(serde::de::Error::custom("more than one variant"));
            }
            $( wire_choice!(@tagged map, key, choice, $name, $variant, $snake $(, $ty)?); )*
            return Err(serde::de::Error::unknown_variant(key, &[]));
        }
        choice.ok_or_else(|| serde::de::Error::custom("a variant is needed"))
    }};

    (@tagged $map:ident, $key:ident, $choice:ident, $name:ident, $variant:ident, $snake:literal) => {};
    (@tagged $map:ident, $key:ident, $choice:ident, $name:ident, $variant:ident, $snake:literal, $ty:ty) => {
        if $key == $snake || $key == stringify!($variant) {
            $choice = Some($name::$variant($map.next_value::<$ty>()?));
            continue;
        }
    };

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
