// default_cache with an arena that keeps codes: the cases that --codec adds.
#pragma once

#include "replay/case_list.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace replay {

struct codec_case
{
  case_entry shown;
  bool lossy = false;
  bool wants_flag = false;  ///< its errors show in answers
};

/// exp4, int8, fp8, int4.
[[nodiscard]] const std::vector<codec_case>& codec_cases();

/// Nothing for a case that is none of them.
[[nodiscard]] const codec_case* find_codec_case(std::string_view key);

/// What the command line says of codecs.
struct codec_options
{
  std::string names;       ///< with commas between
  bool int4 = false;       ///< it may be named
  double exact_share = 0;  ///< of the requests
};

void add_codec_options(CLI::App& app, codec_options& o);

/// The keys of the cases they name, in the list's order; for identity default_cache's. Throws kvstrata::config_error naming
/// the option.
[[nodiscard]] std::vector<std::string> codec_case_keys(const codec_options& o);

/// Every `1 / share`-th request, evenly: does the `number`-th want exact answers?
[[nodiscard]] bool wants_exact(std::uint64_t number, double share) noexcept;

}  // namespace replay
