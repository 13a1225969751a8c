// Which server has which slot, as CLUSTER SLOTS tells.
#pragma once

#include <kvstrata/tiers/redis/format/slot.hpp>
#include <kvstrata/tiers/redis/topology/address.hpp>
#include <kvstrata/tiers/redis/topology/reply.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// Who serves the slots: `masters` are numbered, and each slot has the number of one, or nobody.
class slot_map
{
 public:
  static constexpr std::uint16_t nobody = 0xffff;

  slot_map() : owner_(slot_count, nobody) {}

  [[nodiscard]] bool empty() const noexcept { return masters_.empty(); }
  [[nodiscard]] const std::vector<address>& masters() const noexcept { return masters_; }
  /// Replicas of the master with this number, as the cluster last said.
  [[nodiscard]] std::uint32_t replicas(std::uint16_t master) const noexcept { return replicas_[master]; }
  [[nodiscard]] std::uint16_t owner(std::uint32_t slot) const noexcept { return owner_[slot]; }
  [[nodiscard]] std::uint32_t served() const noexcept
  {
    return static_cast<std::uint32_t>(
        std::count_if(owner_.begin(), owner_.end(), [](std::uint16_t o) { return o != nobody; }));
  }

  /// Slots [first, last] are a master's.
  void serve(std::uint32_t first, std::uint32_t last, address master, std::uint32_t replicas)
  {
    const auto at = std::find(masters_.begin(), masters_.end(), master);
    const auto number = static_cast<std::uint16_t>(at - masters_.begin());
    if (at == masters_.end()) {
      masters_.push_back(std::move(master));
      replicas_.push_back(replicas);
    }
    std::fill(owner_.begin() + first, owner_.begin() + last + 1, number);
  }

 private:
  std::vector<address> masters_;
  std::vector<std::uint32_t> replicas_;
  std::vector<std::uint16_t> owner_;
};

/// Reads an answer to CLUSTER SLOTS. A host of nil, "" or "?" is the one that was asked. Parts that make no sense are left out:
/// their slots have nobody. Empty: it is no such answer.
[[nodiscard]] inline std::optional<slot_map> read_slots(const reply& answer, const address& asked)
{
  if (!answer.is_list()) return std::nullopt;
  constexpr std::size_t most_masters = 4096;
  slot_map out;
  for (const reply& range : answer.parts) {
    if (!range.is_list() || range.parts.size() < 3) continue;
    const std::int64_t first = range.parts[0].number;
    const std::int64_t last = range.parts[1].number;
    const reply& master = range.parts[2];
    if (range.parts[0].is != reply::kind::integer || range.parts[1].is != reply::kind::integer || first < 0 ||
        last < first || last >= std::int64_t{slot_count} || !master.is_list() || master.parts.size() < 2 ||
        master.parts[1].is != reply::kind::integer || out.masters().size() >= most_masters) {
      continue;
    }
    const std::int64_t port = master.parts[1].number;
    if (port < 1 || port > 65535) continue;
    const reply& host = master.parts[0];
    const bool names = host.is_text() && !host.text.empty() && host.text != "?";
    out.serve(static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last),
              {names ? host.text : asked.host, static_cast<std::uint16_t>(port)},
              static_cast<std::uint32_t>(range.parts.size() - 3));
  }
  return out;
}

}  // namespace kvstrata::redis
