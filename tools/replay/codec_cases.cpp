#include "replay/codec_cases.hpp"

#include "replay/command_line.hpp"
#include "replay/number_fault.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace replay {
namespace {

std::string names()
{
  std::string out = "identity";
  for (const codec_case& c : codec_cases()) out += ", " + c.shown.key;
  return out;
}

std::vector<std::string> split(const std::string& text)
{
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) out.push_back(word);
  return out;
}

}  // namespace

const std::vector<codec_case>& codec_cases()
{
  static const std::vector<codec_case> list{
      {{"exp4", "default, exp4 arena",
        "as default_cache, in as many bytes, but the arena keeps exponents in four bits; of f32 that saves an eighth"}},
      {{"int8", "default, int8 arena", "as default_cache, but the arena keeps a byte a value, with a little error"},
       true},
      {{"fp8", "default, fp8 arena", "as default_cache, but the arena keeps e4m3 a value, with more error"}, true},
      {{"int4", "default, int4 arena", "as default_cache, but the arena keeps half a byte a value: answers change"},
       true,
       true},
  };
  return list;
}

const codec_case* find_codec_case(std::string_view key)
{
  for (const codec_case& c : codec_cases()) {
    if (c.shown.key == key) return &c;
  }
  return nullptr;
}

void add_codec_options(CLI::App& app, codec_options& o)
{
  app.add_option(
         "--codec", o.names,
         "run one more case for each of these: default_cache whose arena keeps codes, in as many bytes: " + names() +
             " (default_cache itself). Keys and values are f32 here, of which exp4 saves an eighth; of bf16, which "
             "GPUs serve, a quarter. With --verify the errors of scores and how many of the best 10 and 100 "
             "candidates stay are shown")
      ->group("codec")
      ->type_name("LIST")
      ->check(&text_fault, "");
  app.add_option("--exact-share", o.exact_share,
                 "of the requests, that take nothing that came through a lossy codec: what did is computed again")
      ->group("codec")
      ->check(&number_fault<double>, "")
      ->capture_default_str();
  app.add_flag("--int4", o.int4, "lets --codec name int4, whose errors show in answers")->group("codec");
}

std::vector<std::string> codec_case_keys(const codec_options& o)
{
  const std::vector<std::string> words = split(o.names);
  const auto named = [&words](const std::string& key) {
    return std::find(words.begin(), words.end(), key) != words.end();
  };
  for (const std::string& word : words) {
    const codec_case* const found = find_codec_case(word);
    if (found == nullptr && word != "identity") {
      throw kvstrata::config_error("--codec", "'" + word + "'", "it must be some of " + names());
    }
    if (found != nullptr && found->wants_flag && !o.int4) {
      throw kvstrata::config_error("--codec", "'" + word + "'",
                                   "its errors show in answers: it is there with --int4 only");
    }
  }
  if (!(o.exact_share >= 0 && o.exact_share <= 1)) {
    throw kvstrata::config_error("--exact-share", std::to_string(o.exact_share), "it must be from 0 to 1");
  }
  std::vector<std::string> keys;
  if (named("identity")) keys.emplace_back("default");
  bool lossy = false;
  for (const codec_case& c : codec_cases()) {
    if (!named(c.shown.key)) continue;
    keys.push_back(c.shown.key);
    lossy = lossy || c.lossy;
  }
  if (o.exact_share > 0 && !lossy) {
    throw kvstrata::config_error("--exact-share", std::to_string(o.exact_share),
                                 "everything is exact without a lossy codec (--codec int8)");
  }
  return keys;
}

bool wants_exact(std::uint64_t number, double share) noexcept
{
  const auto before = [share](std::uint64_t n) { return std::floor(static_cast<double>(n) * share); };
  return before(number + 1) > before(number);
}

}  // namespace replay
