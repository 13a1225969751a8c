// What an error of a server means to whoever asked.
#pragma once

#include <kvstrata/tiers/redis/topology/address.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

enum class refusal : std::uint8_t {
  moved,      ///< the slot is another's: ask there from now on
  ask,        ///< this key is another's: ask there, this once
  try_again,  ///< the slot moves
  down,       ///< CLUSTERDOWN, MASTERDOWN: the slot has nobody
  loading,    ///< the server reads its file
  readonly,   ///< it was a master
  full,       ///< OOM: it evicts nothing
  denied,     ///< NOAUTH, WRONGPASS, NOPERM
  other,
};

struct refusal_reply
{
  refusal why = refusal::other;
  std::uint32_t slot = 0;        ///< of moved and ask
  std::optional<address> where;  ///< of moved and ask; empty: it does not say, ask for the slots again
};

/// `text`: of an error, without its '-'. `asked`: who said it: an address without a host means theirs. Hosts are cut at the
/// last colon, and may be empty, "?" or an IPv6 address without brackets.
[[nodiscard]] inline refusal_reply read_refusal(std::string_view text, const address& asked)
{
  const std::size_t space = text.find(' ');
  const std::string_view word = text.substr(0, space);
  const auto simple = [](refusal why) { return refusal_reply{why, 0, std::nullopt}; };
  if (word == "MOVED" || word == "ASK") {
    refusal_reply out = simple(word == "MOVED" ? refusal::moved : refusal::ask);
    if (space == std::string_view::npos) return out;
    std::string_view rest = text.substr(space + 1);
    const std::size_t second = rest.find(' ');
    if (second == std::string_view::npos) return out;
    const std::string_view number = rest.substr(0, second);
    const auto [end, fault] = std::from_chars(number.data(), number.data() + number.size(), out.slot);
    if (fault != std::errc{} || end != number.data() + number.size()) return simple(refusal::other);
    rest = rest.substr(second + 1);
    rest = rest.substr(0, rest.find(' '));  // what comes behind is for later versions
    auto where = split_address(rest);
    if (!where || where->host == "?") return out;
    if (where->host.empty()) where->host = asked.host;
    out.where = *std::move(where);
    return out;
  }
  if (word == "TRYAGAIN") return simple(refusal::try_again);
  if (word == "CLUSTERDOWN" || word == "MASTERDOWN") return simple(refusal::down);
  if (word == "LOADING" || word == "BUSY") return simple(refusal::loading);
  if (word == "READONLY") return simple(refusal::readonly);
  if (word == "OOM" || word == "MISCONF" || word == "NOREPLICAS") return simple(refusal::full);
  if (word == "NOAUTH" || word == "WRONGPASS" || word == "NOPERM") return simple(refusal::denied);
  return simple(refusal::other);
}

}  // namespace kvstrata::redis
