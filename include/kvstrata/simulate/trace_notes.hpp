// What a reader makes of its file, and what of it never became an access: to be said beside every figure.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Counts are of what was read so far. Texts live as long as the program.
struct trace_notes
{
  std::string_view hit{};  ///< what a hit is in a trace of this kind, a sentence's end: "the block is in the cache"
  std::string_view ids{};  ///< how keys are read: "numbers"; empty: as the format has them
  std::string_view time_unit{};     ///< of the times as they are written: "s"; empty: the trace has none
  std::uint64_t zero_sized = 0;     ///< requests of size 0
  bool zero_served = false;         ///< whether these are served, each as one byte; else they are left out
  std::uint64_t writes = 0;         ///< operations that are no reads: left out
  std::uint64_t repeated = 0;       ///< requests that a row's count adds to the one that the row is
  std::uint64_t untimed = 0;        ///< rows without a time, in a trace with times: taken to come with the row before
  std::uint64_t duplicates = 0;     ///< rows that repeat one of the same time, in all that is read
  bool duplicates_dropped = false;  ///< whether these are left out
  std::string cut{};                ///< why the last record was left out; empty: it is whole
};

/// What a source notes; nothing where it does not tell.
template <class Source>
[[nodiscard]] trace_notes notes_of(const Source& source)
{
  if constexpr (requires { trace_notes(source.notes()); }) return source.notes();
  else return {};
}

}  // namespace kvstrata
