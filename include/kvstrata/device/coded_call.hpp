// Calls that move encoded pieces, whatever the device: the sentences that misuse earns.
#pragma once

#include <kvstrata/codec/page_code.hpp>
#include <kvstrata/device/copy_call.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Bytes of a piece as it is. An end is encoded.
[[nodiscard]] inline std::size_t raw_bytes_of(coding how) noexcept
{
  return how.from != nullptr ? how.from->piece().bytes() : how.to->piece().bytes();
}

/// The call that a code kernel is; on the host it is a copy's.
[[nodiscard]] constexpr copy_call code_call_of(const copy_kernel& what) noexcept
{
  const bool on_host = what.route == copy_route::on_host;
  return {on_host ? operation_kind::copy_on_host : operation_kind::copy_kernel, what.route, what.label, what.sms,
          false};
}

/// Throws usage_error when no end is encoded or, off the host, both are, when a piece is null, or not where its route says.
template <class Queues, class Memory>
void require_coded_pieces(const Queues& queues, const Memory& pool, const copy_call& call, stream_id stream, coding how,
                          std::span<const coded_piece> pieces)
{
  const auto turn_down = [&](std::string_view why) {
    throw usage_error("code kernel '" + std::string(call.label) + "' on stream '" +
                      std::string(queues.stream_name(stream)) + "': " + std::string(why));
  };
  if (!how.any()) turn_down("neither end is encoded");
  const bool on_host = call.route == copy_route::on_host;
  if (!on_host && how.from != nullptr && how.to != nullptr)
    turn_down("both ends are encoded, which only the host moves");
  const std::size_t raw = raw_bytes_of(how);
  const auto holds = [&pool](memory_place place, const std::byte* at, std::size_t bytes) {
    return at != nullptr && pool.holds(place, at, bytes);
  };
  for (const coded_piece& p : pieces) {
    if (p.dst == nullptr || p.src == nullptr) turn_down("an address is null");
    if (on_host) continue;
    if (writes_device(call.route) && !holds(memory_place::device, p.dst, bytes_at(how.to, raw))) {
      turn_down("a destination does not lie within one allocation of device memory");
    }
    if (reads_device(call.route) && !holds(memory_place::device, p.src, bytes_at(how.from, raw))) {
      turn_down("a source does not lie within one allocation of device memory");
    }
    if (call.route == copy_route::to_device && !holds(memory_place::pinned, p.src, bytes_at(how.from, raw))) {
      turn_down("a source does not lie within one allocation of pinned memory");
    }
    if (call.route == copy_route::from_device && !holds(memory_place::pinned, p.dst, bytes_at(how.to, raw))) {
      turn_down("a destination does not lie within one allocation of pinned memory");
    }
    if (p.dst_elsewhere != nullptr && !holds(memory_place::pinned, p.dst_elsewhere, raw)) {
      turn_down("the place for raw bytes does not lie within one allocation of pinned memory");
    }
    if (p.src_elsewhere != nullptr && !holds(memory_place::pinned, p.src_elsewhere, raw)) {
      turn_down("raw bytes do not lie within one allocation of pinned memory");
    }
  }
}

}  // namespace kvstrata::detail
