// A manifest is read, or changed in one step.
#pragma once

#include <kvstrata/tiers/redis/core.hpp>
#include <kvstrata/tiers/redis/format/pieces.hpp>
#include <kvstrata/tiers/redis/io/session.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// What a server has of a sequence at a time.
struct read_state
{
  std::optional<manifest> what;  ///< empty: none, or none that can be believed
  std::string bytes;             ///< as they are there; empty: none
  std::uint64_t number = 0;      ///< drawn from the server: microseconds of its clock
};

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) noexcept
{
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Empty bytes: none. What cannot be believed is counted.
[[nodiscard]] inline std::optional<manifest> believed(cluster_core& core, const sequence_key& key,
                                                      std::string_view bytes)
{
  if (bytes.empty()) return std::nullopt;
  auto out = decode_manifest(bytes_of(bytes));
  if (!out || out->key != key) {
    ++core.counters.foreign;
    return std::nullopt;
  }
  return out;
}

/// The time of a server in microseconds, as TIME tells it: two numbers, each with a space behind it. 0: it makes no sense.
[[nodiscard]] inline std::uint64_t microseconds_of(std::string_view text) noexcept
{
  std::uint64_t parts[2] = {};
  for (std::uint64_t& part : parts) {
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), part);
    if (fault != std::errc{} || end == text.data() + text.size()) return 0;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  }
  return parts[0] < (std::uint64_t{1} << 40U) && parts[1] < 1'000'000 ? parts[0] * 1'000'000 + parts[1] : 0;
}

[[nodiscard]] inline loss read_state_sync(cluster_core& core, session& with, const sequence_key& key, read_state& out)
{
  small_command time({"TIME"}, 64);
  small_command get({"GET", manifest_key(core.config.prefix, key)}, most_manifest_bytes);
  command* const both[] = {&time, &get};
  if (const loss lost = with.run(both); lost != loss::none) return lost;
  out = {};
  out.number = microseconds_of(time.text);
  if (get.is == command::state::foreign) ++core.counters.foreign;
  if (get.is == command::state::done) out.bytes = std::move(get.text);
  out.what = believed(core, key, out.bytes);
  return loss::none;
}

/// Replaces the manifest, if it is still `state.bytes`. False: somebody was quicker, and `state` is what they left. `seconds`:
/// after which it goes by itself; 0: never.
[[nodiscard]] inline loss change_sync(cluster_core& core, session& with, const sequence_key& key, read_state& state,
                                      const manifest& next, std::uint32_t seconds, bool& changed)
{
  static constexpr std::string_view script =
      "local v=redis.call('GET',KEYS[1]) if (v or '')~=ARGV[1] then return v or '' end "
      "if ARGV[3]=='0' then redis.call('SET',KEYS[1],ARGV[2]) else redis.call('SET',KEYS[1],ARGV[2],'EX',ARGV[3]) end "
      "return 1";
  const std::vector<std::byte> bytes = encode(next);
  const std::string_view fresh(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  small_command eval(
      {"EVAL", script, "1", manifest_key(core.config.prefix, key), state.bytes, fresh, std::to_string(seconds)},
      most_manifest_bytes);
  command* const one[] = {&eval};
  if (const loss lost = with.run(one); lost != loss::none) return lost;
  changed = eval.is == command::state::done && eval.number == 1 && eval.text.empty();
  if (changed) {
    state.bytes = fresh;
    state.what = next;
    return loss::none;
  }
  ++core.counters.contended;
  if (eval.is == command::state::foreign) ++core.counters.foreign;
  // What is too long to be a manifest cannot be compared: it is replaced by nobody, and goes by the server's eviction.
  if (eval.is != command::state::done) return loss::io_error;
  state.bytes = std::move(eval.text);
  state.what = believed(core, key, state.bytes);
  return loss::none;
}

/// Takes the values of these puts away. What does not succeed is left to the server's eviction.
[[nodiscard]] inline loss unlink_sync(cluster_core& core, session& with, const manifest& of,
                                      std::span<const put_pages> puts)
{
  std::vector<std::unique_ptr<small_command>> commands;
  std::vector<command*> all;
  for (const put_pages& p : puts) {
    const put_name name{of.header.epoch, to_number(of.header.incarnation), p.number};
    const std::uint32_t pieces = cut_of(p.put.size(), of.page_bytes, of.layers, of.value_bytes, of.codec).pieces();
    for (std::uint32_t layer = 0; layer < of.layers; ++layer) {
      for (std::uint32_t piece = 0; piece < pieces; ++piece) {
        commands.push_back(std::make_unique<small_command>(
            std::initializer_list<std::string_view>{"UNLINK",
                                                    value_key(core.config.prefix, of.key, name, layer, piece)},
            std::size_t{64}));
        all.push_back(commands.back().get());
      }
    }
  }
  if (all.empty()) return loss::none;
  return with.run(all);
}

[[nodiscard]] inline std::uint32_t slot_of_sequence(const cluster_core& core, const sequence_key& key)
{
  return slot_of(tag_of(core.config.prefix, key));
}

}  // namespace kvstrata::redis
