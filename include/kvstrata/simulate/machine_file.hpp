// Reads a machine from a small text file: one `key = value` a line, the unit stands in the key, # begins a comment.
//
// key                                    meaning
// -------------------------------------- -------------------------------------------------------------------------
// name                                   for people
// effective_tflops                       10^12 FLOP/s that the model reaches
// to_device_gb_per_second                10^9 bytes/s of the link towards the device, and from it
// from_device_gb_per_second
// to_device_us_per_copy                  before the first byte of a copy call or a batch
// from_device_us_per_copy
// to_device_us_per_piece                 for each piece of a batch
// from_device_us_per_piece
// kernel_us_per_launch                   a kernel that copies
// kernel_gb_per_second_per_sm            what one multiprocessor moves to or from pinned memory
// kernel_device_gb_per_second            what device memory gives to kernels that copy on the device
// kernel_device_gb_per_second_per_sm     what one multiprocessor moves on the device
// layers, kv_heads, head_dim, element    the shape of the model's KV; element is f32, f16, bf16, fp8_e4m3, ...
// hidden, candidates                     the hidden size; tokens that each request has scored besides its history
// mflop_per_token, flop_per_pair         10^6 FLOP of a layer for a token, and FLOP for one token that attends to one;
//                                        absent: HSTU's, which the hidden size and the shape tell
// device_gib, host_gib                   memory for users' KV on the device and in pinned memory below it
// store_gb_per_second                    10^9 bytes/s that a store below reads; absent: there is none
// store_us_per_read                      before the first byte of a record
//
// Every key but the store's and those of FLOP must be there, and none twice. See tools/sim/machines.
#pragma once

#include <kvstrata/core/decimal.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/simulate/text_lines.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// A key whose value is a number in [least, most].
struct machine_key
{
  std::string_view name;
  double least;
  double most;
  bool whole;
  void (*set)(machine_description&, double);
  bool optional = false;
};

inline constexpr std::array<machine_key, 22> machine_keys{{
    {"effective_tflops", 1e-6, 1e6, false, [](machine_description& m, double v) { m.flops_per_second = v * 1e12; }},
    {"to_device_gb_per_second", 1e-3, 1e6, false,
     [](machine_description& m, double v) { m.to_device.bytes_per_second = v * 1e9; }},
    {"from_device_gb_per_second", 1e-3, 1e6, false,
     [](machine_description& m, double v) { m.from_device.bytes_per_second = v * 1e9; }},
    {"to_device_us_per_copy", 0, 1e6, false,
     [](machine_description& m, double v) { m.to_device.latency_seconds = v / 1e6; }},
    {"from_device_us_per_copy", 0, 1e6, false,
     [](machine_description& m, double v) { m.from_device.latency_seconds = v / 1e6; }},
    {"to_device_us_per_piece", 0, 1e6, false,
     [](machine_description& m, double v) { m.to_device.piece_seconds = v / 1e6; }},
    {"from_device_us_per_piece", 0, 1e6, false,
     [](machine_description& m, double v) { m.from_device.piece_seconds = v / 1e6; }},
    {"kernel_us_per_launch", 0, 1e6, false,
     [](machine_description& m, double v) { m.copy_kernels.latency_seconds = v / 1e6; }},
    {"kernel_gb_per_second_per_sm", 1e-3, 1e6, false,
     [](machine_description& m, double v) { m.copy_kernels.sm_bytes_per_second = v * 1e9; }},
    {"kernel_device_gb_per_second", 1e-3, 1e6, false,
     [](machine_description& m, double v) { m.copy_kernels.device_bytes_per_second = v * 1e9; }},
    {"kernel_device_gb_per_second_per_sm", 1e-3, 1e6, false,
     [](machine_description& m, double v) { m.copy_kernels.sm_device_bytes_per_second = v * 1e9; }},
    {"layers", 1, 4096, true,
     [](machine_description& m, double v) { m.model.kv.layers = static_cast<std::uint32_t>(v); }},
    {"kv_heads", 1, 4096, true,
     [](machine_description& m, double v) { m.model.kv.kv_heads = static_cast<std::uint32_t>(v); }},
    {"head_dim", 1, 65536, true,
     [](machine_description& m, double v) { m.model.kv.head_dim = static_cast<std::uint32_t>(v); }},
    {"hidden", 1, 1048576, true,
     [](machine_description& m, double v) { m.model.hidden = static_cast<std::uint32_t>(v); }},
    {"candidates", 0, 16777216, true,
     [](machine_description& m, double v) { m.model.candidates = static_cast<token_count>(v); }},
    {"device_gib", 1e-6, 1e6, false,
     [](machine_description& m, double v) { m.device_bytes = static_cast<std::uint64_t>(v * 0x1p30); }},
    {"host_gib", 0, 1e9, false,
     [](machine_description& m, double v) { m.host_bytes = static_cast<std::uint64_t>(v * 0x1p30); }},
    {"mflop_per_token", 1e-6, 1e9, false, [](machine_description& m, double v) { m.model.token_flops = v * 1e6; },
     true},
    {"flop_per_pair", 1e-3, 1e9, false, [](machine_description& m, double v) { m.model.pair_flops = v; }, true},
    {"store_gb_per_second", 1e-3, 1e6, false,
     [](machine_description& m, double v) { m.store_bytes_per_second = v * 1e9; }, true},
    {"store_us_per_read", 0, 1e6, false, [](machine_description& m, double v) { m.store_latency_seconds = v / 1e6; },
     true},
}};

[[nodiscard]] inline std::string plain_number(double value)
{
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

/// The element type of that name; fails the line when there is none.
[[nodiscard]] inline element_type element_named(std::string_view name, const text_lines& lines)
{
  std::string all;
  for (const element_type type : {element_type::f32, element_type::f16, element_type::bf16, element_type::fp8_e4m3,
                                  element_type::fp8_e5m2, element_type::int8}) {
    if (name_of(type) == name) return type;
    all += (all.empty() ? "" : ", ") + std::string(name_of(type));
  }
  lines.fail("element is " + in_quotes(name) + ", but it must be one of " + all);
}

[[nodiscard]] inline double machine_value(const machine_key& key, std::string_view digits, const text_lines& lines)
{
  double value = 0;
  const auto [end, problem] = read_decimal(digits.data(), digits.data() + digits.size(), value);
  const std::string shown = std::string(key.name) + " is " + in_quotes(digits);
  if (problem != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value)) {
    lines.fail(shown + ", which is not a number");
  }
  if (key.whole && !is_exactly(value, std::floor(value))) lines.fail(shown + ", but it must be a whole number");
  if (value < key.least || value > key.most) {
    lines.fail(shown + ", but it must lie between " + plain_number(key.least) + " and " + plain_number(key.most));
  }
  return value;
}

}  // namespace detail

/// Throws data_error with file, line and reason, and the limit where there is one.
[[nodiscard]] inline machine_description read_machine(const std::filesystem::path& path)
{
  using detail::machine_keys;
  constexpr std::size_t name_key = machine_keys.size();
  constexpr std::size_t element_key = name_key + 1;
  std::array<std::uint64_t, machine_keys.size() + 2> line_of{};  // 0: not there yet
  const auto key_name = [](std::size_t k) {
    return k == name_key ? std::string_view("name") : k == element_key ? "element" : machine_keys[k].name;
  };
  text_lines lines(path);
  machine_description out;
  for (std::string_view line; lines.next(line);) {
    const std::string_view text = detail::trimmed(line.substr(0, line.find('#')));
    if (text.empty()) continue;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) lines.fail(detail::in_quotes(text) + " is no `key = value`");
    const std::string_view key = detail::trimmed(text.substr(0, equals));
    const std::string_view value = detail::trimmed(text.substr(equals + 1));
    std::size_t which = 0;
    while (which < line_of.size() && key_name(which) != key) ++which;
    if (which == line_of.size()) lines.fail("there is no key " + detail::in_quotes(key));
    if (value.empty()) lines.fail(std::string(key) + " has no value");
    if (line_of[which] != 0) {
      lines.fail(std::string(key) + " stands in line " + std::to_string(line_of[which]) + " already");
    }
    line_of[which] = lines.number_of_line();
    if (which == name_key) out.name = value;
    else if (which == element_key) out.model.kv.element = detail::element_named(value, lines);
    else machine_keys[which].set(out, detail::machine_value(machine_keys[which], value, lines));
  }
  for (std::size_t k = 0; k < line_of.size(); ++k) {
    if (k < machine_keys.size() && machine_keys[k].optional) continue;
    if (line_of[k] == 0) lines.fail_whole("the key " + std::string(key_name(k)) + " is missing");
  }
  check(out);
  return out;
}

}  // namespace kvstrata
