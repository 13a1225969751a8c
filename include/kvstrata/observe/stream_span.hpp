// What a device's own trace says of a stream, as far as a picture needs it.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a stream did for a while, in seconds: op_span is one. `name_of(s.kind)` is found where the kind is declared; a
/// span of the kind "wait" is a stall. Used where they are there: `stream`, so that streams that share a name get rows of
/// their own, `pieces`, and `point`, the first point of the stream behind what it did (0: not known), for arrows to it.
template <class S>
concept stream_span = requires(const S& s) {
  { s.stream_name } -> std::convertible_to<std::string_view>;
  { s.label } -> std::convertible_to<std::string_view>;
  { s.begin } -> std::convertible_to<double>;
  { s.end } -> std::convertible_to<double>;
  { s.bytes } -> std::convertible_to<std::uint64_t>;
  { name_of(s.kind) } -> std::convertible_to<std::string_view>;
};

}  // namespace kvstrata
