#include "sim/machine_codes.hpp"

#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/fetch_worth.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace sim {
namespace {

using namespace kvstrata;

template <class Codec>
std::size_t bytes_of_code(const piece_shape& piece)
{
  return Codec::coder(piece, typename Codec::config()).code_bytes();
}

constexpr std::array<machine_codec, 5> codecs{{{"identity"},
                                               {"exp4", false, false, &bytes_of_code<codec::exp4>},
                                               {"int8", true, false, &bytes_of_code<codec::int8>},
                                               {"fp8", true, false, &bytes_of_code<codec::fp8>},
                                               {"int4", true, true, &bytes_of_code<codec::int4>}}};

token_count page_tokens() { return default_cache<emulated_device>::config().layout.page_tokens; }

}  // namespace

std::span<const machine_codec> machine_codecs() { return codecs; }

std::string codec_names()
{
  std::string out;
  for (const machine_codec& one : codecs) out += (out.empty() ? "" : ", ") + std::string(one.name);
  return out;
}

const machine_codec& find_codec(const std::string& name)
{
  const auto found = std::find_if(codecs.begin(), codecs.end(), [&](const machine_codec& c) { return c.name == name; });
  if (found == codecs.end()) throw config_error("--codec", "'" + name + "'", "it must be one of " + codec_names());
  return *found;
}

void check_codec_names(const std::vector<std::string>& names, bool int4)
{
  if (names.empty()) throw config_error("--codec", "empty", "at least one must be given");
  for (const std::string& name : names) {
    if (find_codec(name).wants_flag && !int4) {
      throw config_error("--codec", "'" + name + "'", "its errors show in answers: it is there with --int4 only");
    }
  }
}

void check_raw_share(double share)
{
  if (share > 0 && share < 1) return;
  throw config_error("--raw-share", std::to_string(share), "it must be more than 0 and less than 1");
}

void check_codes(const machine_lists& lists)
{
  check_codec_names(lists.codecs, lists.int4);
  if (lists.codes.empty()) throw config_error("--codes", "empty", "at least one must be given");
  bool lossy = false;
  bool any = false;
  for (const std::string& name : lists.codecs) {
    const machine_codec& one = find_codec(name);
    any = any || one.code_bytes != nullptr;
    lossy = lossy || one.lossy;
  }
  for (const std::string& way : lists.codes) {
    if (way != "direct" && way != "staged") {
      throw config_error("--codes", "'" + way + "'", "it must be direct or staged");
    }
  }
  if (any && std::find(lists.caches.begin(), lists.caches.end(), "default") == lists.caches.end()) {
    throw config_error("--codec", "'" + lists.codecs.back() + "'",
                       "the arena of cache 'default' keeps codes, and it does not run");
  }
  if (!(lists.exact_share >= 0 && lists.exact_share <= 1)) {
    throw config_error("--exact-share", std::to_string(lists.exact_share), "it must be from 0 to 1");
  }
  check_raw_share(lists.raw_share);
  if (lists.exact_share > 0 && !lossy) {
    throw config_error("--exact-share", std::to_string(lists.exact_share),
                       "everything is exact without a codec that is lossy (--codec int8)");
  }
}

double code_ratio(const machine_codec& codec, const machine_description& m)
{
  if (codec.code_bytes == nullptr) return 1;
  const piece_shape piece = piece_of(m.model.kv, page_tokens());
  return static_cast<double>(piece.bytes()) / static_cast<double>(codec.code_bytes(piece));
}

machine_description with_shorter_pages(machine_description m, double ratio)
{
  m.to_device.bytes_per_second *= ratio;
  m.from_device.bytes_per_second *= ratio;
  return m;
}

std::vector<machine_point> cross_codecs(std::vector<machine_point> points, const machine_lists& lists)
{
  std::vector<machine_point> out;
  for (machine_point& point : points) {
    bool as_it_is = false;
    for (const std::string& name : lists.codecs) {
      const machine_codec& codec = find_codec(name);
      const bool keeps = point.cache == "default" && codec.code_bytes != nullptr;
      if (!keeps) {
        if (!std::exchange(as_it_is, true)) out.push_back(point);
        continue;
      }
      for (const std::string& way : lists.codes) {
        out.push_back(point);
        out.back().codec = name;
        out.back().codes = way;
        out.back().raw_share = lists.raw_share;
        out.back().exact_share = codec.lossy ? lists.exact_share : 0;
      }
    }
  }
  return out;
}

bool is_exact(std::size_t number, double share)
{
  const auto before = [share](std::size_t n) { return std::floor(static_cast<double>(n) * share); };
  return before(number + 1) > before(number);
}

std::string break_even_lines(const machine_lists& lists, const machine_description& m, std::uint32_t longest)
{
  std::string out;
  for (const std::string& name : lists.codecs) {
    const machine_codec& codec = find_codec(name);
    if (codec.code_bytes == nullptr) continue;
    const double ratio = code_ratio(codec, m);
    const fetch_worth worth{"arena", cost_of(with_shorter_pages(m, ratio)).break_even_tokens()};
    std::array<char, 64> head{};
    std::snprintf(head.data(), head.size(), "  with %s (%.3f:1) ", std::string(name).c_str(), ratio);
    out += head.data() + sentence_of(worth, longest) + ".\n";
  }
  return out;
}

}  // namespace sim
