// A trace for replacement alone: who asked for what, how large, when. Sources stream it in chunks.
//
// An access source S:
//
// expression                          meaning
// ----------------------------------- ---------------------------------------------------------------------------
// s.read(out) -> std::size_t          fills the front of `out`, a std::span<trace_access>, with the next accesses and says
//                                     how many; 0 only at the end (or for an empty `out`). Throws data_error with
//                                     file, record and reason for a trace that is broken
// s.name() -> std::string_view        where it comes from, for people
//
// fallback when absent                meaning
// ----------------------------------- ---------------------------------------------------------------------------
// s.progress() -> double              0: how much has been read, from 0 to 1
// s.files() -> std::vector<std::filesystem::path>
//                                     none: the files that it reads, or has read; write_trace.hpp replaces none of them
// s.notes() -> trace_notes            nothing: what it makes of its file, and what it has left out so far
//
// A source never holds the whole trace in memory, unless it says so. Not synchronised.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/replacement/object_info.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of an object that a reader lets pass, so that sums have room.
inline constexpr std::uint64_t most_object_bytes = std::uint64_t{1} << 60;

/// One request for one object. 40 bytes.
struct trace_access
{
  std::uint64_t key = 0;
  std::int64_t time_ms = 0;                          ///< 0 where the trace has no times
  std::uint64_t bytes = 1;                           ///< of the object at this time
  std::uint64_t next_request = reuse_hint::unknown;  ///< position in the trace (0-based) of the key's next access
  token_count tokens = 0;                            ///< where the key is a user: length of their history
  std::uint32_t part = 0;  ///< place in a request for several keys, of which a part is of use with all before it only

  friend constexpr bool operator==(const trace_access&, const trace_access&) = default;
};

template <class S>
concept reads_accesses = requires(S& source, std::span<trace_access> out) {
  { source.read(out) } -> std::same_as<std::size_t>;
};

template <class S>
concept names_itself = requires(const S& source) {
  { source.name() } -> std::convertible_to<std::string_view>;
};

template <class S>
concept access_source = reads_accesses<S> && names_itself<S>;

}  // namespace kvstrata
