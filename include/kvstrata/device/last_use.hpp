// What must not fail when memory runs out or a device fails: to remember what still uses some memory, and to find out where
// a stream is. Whatever ends a life needs it: a fence that lost a point would hand memory to its next owner too early.
#pragma once

#include <kvstrata/device/concepts.hpp>

#include <exception>
#include <optional>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// Calls `ask`, and once more when it throws. Returns what it threw then: a device that throws twice in a row has failed,
/// and runs nothing any more (device/concepts.hpp).
template <class Ask>
std::exception_ptr insist(Ask&& ask) noexcept
{
  std::exception_ptr failed;
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      ask();
      return nullptr;
    } catch (...) {
      failed = std::current_exception();
    }
  }
  return failed;
}

}  // namespace detail

/// Adds a point, or the points of a fence, to `uses`, and cannot fail. A fence that would have to grow forgets what has
/// come to pass first. When memory for that runs out, the host waits for `more` instead: then it need not be remembered.
template <device Device, class Points>
void remember(Device& d, fence& uses, const Points& more) noexcept
{
  if (uses.try_add(more, [&d](event point) { return d.query(point); })) return;
  detail::insist([&] { wait_for_sync(d, more); });
}

/// The point after all that is queued on the stream by now; empty when the device has failed, and then `failed` is what it
/// threw.
template <device Device>
[[nodiscard]] std::optional<event> last_point(Device& d, stream_id stream, std::exception_ptr& failed) noexcept
{
  std::optional<event> point;
  failed = detail::insist([&] { point = d.record(stream); });
  return point;
}
template <device Device>
[[nodiscard]] std::optional<event> last_point(Device& d, stream_id stream) noexcept
{
  std::exception_ptr failed;
  return last_point(d, stream, failed);
}

/// Blocks the host until everything queued on the stream is done; a failed device runs nothing any more.
template <device Device>
void drain_stream_sync(Device& d, stream_id stream) noexcept
{
  if (const auto point = last_point(d, stream)) detail::insist([&] { d.wait_sync(*point); });
}

}  // namespace kvstrata
