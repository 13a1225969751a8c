// What an operation does when its turn has come, and what becomes of the device when it fails.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/emulated/operation.hpp>
#include <kvstrata/device/sticky_failure.hpp>

#include <exception>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

using detail::sticky_failure;

/// What an operation is called in a trace; empty where memory has run out.
[[nodiscard]] inline std::string kept_label(const operation& work) noexcept
{
  try {
    return std::string(work.label());
  } catch (...) {
    return {};
  }
}

inline constexpr std::string_view after_a_failure = "give up its caches, and the device: it runs nothing any more";

/// The device has failed because `what`, which is called `label`, threw something that says `why`.
inline void fail(sticky_failure& failure, std::string_view what, std::string_view label, std::string_view stream_name,
                 std::string_view why) noexcept
{
  try {
    failure.set(std::string(what) + " '" + std::string(label) + "' on stream '" + std::string(stream_name) +
                    "' failed: " + std::string(why),
                after_a_failure);
  } catch (...) {
    failure.set({});
  }
}

/// Runs what() and lets the device fail when it throws.
template <class What>
void run_or_fail(sticky_failure& failure, std::string_view kind, std::string_view label, std::string_view stream_name,
                 What&& what) noexcept
{
  try {
    what();
  } catch (const std::exception& thrown) {
    fail(failure, kind, label, stream_name, thrown.what());
  } catch (...) {
    fail(failure, kind, label, stream_name, "it threw something that is no exception");
  }
}

/// "copy kernel 'scatter' of 16 bytes on stream 'onload'".
[[nodiscard]] inline std::string name_of_copy(const operation& work, std::string_view stream_name)
{
  const bool named = work.kind == operation_kind::copy_kernel && work.label() != name_of(work.kind);
  return std::string(name_of(work.kind)) + (named ? " '" + std::string(work.label()) + "'" : "") + " of " +
         std::to_string(work.bytes) + " bytes on stream '" + std::string(stream_name) + "'";
}

[[noreturn]] inline void refuse_copy(const operation& work, std::string_view stream_name)
{
  throw copy_refused(name_of_copy(work, stream_name) + " was refused: the refusal was injected");
}

/// Gives an operation its effect, unless the device has failed or fails now.
inline void carry_out(operation& work, std::string_view stream_name, bool data, sticky_failure& failure) noexcept
{
  run_or_fail(failure, "kernel", work.label(), stream_name, [&] {
    if (work.fails) {
      failure.set(name_of_copy(work, stream_name) + " failed: the failure was injected", after_a_failure);
    } else if (data && !failure.any()) {
      work.carry_out();
    }
  });
  work.work.reset();  // what a kernel holds is gone by the time its event comes to pass
}

}  // namespace kvstrata::emulated
