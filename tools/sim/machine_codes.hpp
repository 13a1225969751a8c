// The codecs in which the arena of a simulated machine may keep its pages. Nothing is encoded: a code has its size, and takes
// its time on links and multiprocessors.
#pragma once

#include "sim/machine_grid.hpp"
#include "sim/machine_run.hpp"

#include <kvstrata/codec/piece.hpp>
#include <kvstrata/simulate/machine.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

struct machine_codec
{
  std::string_view name;
  bool lossy = false;
  bool wants_flag = false;                                            ///< its errors show in answers
  std::size_t (*code_bytes)(const kvstrata::piece_shape&) = nullptr;  ///< null: pages as they are
};

[[nodiscard]] std::span<const machine_codec> machine_codecs();
[[nodiscard]] std::string codec_names();

/// Throws kvstrata::config_error naming the option.
[[nodiscard]] const machine_codec& find_codec(const std::string& name);
void check_codec_names(const std::vector<std::string>& names, bool int4);  ///< `int4`: it may be named
void check_raw_share(double share);
void check_codes(const machine_lists& lists);

/// How much shorter a code of the machine's model is than the page. Throws kvstrata::config_error where the codec cannot encode
/// its elements.
[[nodiscard]] double code_ratio(const machine_codec& codec, const kvstrata::machine_description& m);

/// The machine with a link that is faster by the ratio: what fetching raw bytes costs, for those who weigh it.
[[nodiscard]] kvstrata::machine_description with_shorter_pages(kvstrata::machine_description m, double ratio);

/// Each point with each codec and each way that codes travel; a cache that keeps none stays as it is.
[[nodiscard]] std::vector<machine_point> cross_codecs(std::vector<machine_point> points, const machine_lists& lists);

/// Every `1 / share`-th request, evenly: is it the `number`-th?
[[nodiscard]] bool is_exact(std::size_t number, double share);

/// For people: how far the break-even length moves with each codec. Empty where no point has one.
[[nodiscard]] std::string break_even_lines(const machine_lists& lists, const kvstrata::machine_description& m,
                                           std::uint32_t longest);

}  // namespace sim
