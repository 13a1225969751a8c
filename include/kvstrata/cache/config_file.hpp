// A cache's configuration from a small text file: one `key = value` a line, # begins a comment, in any order. Keys and units:
// cache/config_keys.hpp. What is not named stays as it is; pointers (stores, a slab's region) are the program's affair.
//
//   my_cache::config config{.tiers = {{}, {}, {.store = &store}}};
//   kvstrata::read_cache_config_file("cache.config", config);
#pragma once

#include <kvstrata/cache/checks.hpp>
#include <kvstrata/cache/config_keys.hpp>
#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// The text without blanks, tabs and a carriage return at its ends.
[[nodiscard]] constexpr std::string_view without_blanks(std::string_view text) noexcept
{
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace detail

/// Writes what `text` says over `config`, a cache's config of any composition. Throws data_error with `name`, line and reason
/// for what is no `key = value`, a key that this cache has not, one that stands there twice, and a value that makes no sense;
/// and for a configuration that a cache would refuse as a whole (what tiers check themselves, they check when the cache is
/// built). Then nothing has changed.
template <class Config>
void read_cache_config(std::string_view text, Config& config, std::string_view name = "configuration")
{
  Config fresh = config;
  const detail::config_key_list keys = detail::keys_of(fresh);
  std::map<std::string, std::uint64_t, std::less<>> lines;  // where what is said by now stands
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::string_view whole = text.substr(0, text.find('\n'));
    text.remove_prefix(whole.size() == text.size() ? whole.size() : whole.size() + 1);
    const std::string_view line = detail::without_blanks(whole.substr(0, whole.find('#')));
    if (line.empty()) continue;
    const auto fail = [&](const std::string& reason) { throw data_error(name, number, reason); };
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) fail(detail::quoted_value(line) + " is no `key = value`");
    const std::string_view key = detail::without_blanks(line.substr(0, equals));
    const std::string_view value = detail::without_blanks(line.substr(equals + 1));
    const detail::config_key* const found = keys.find(key);
    if (found == nullptr && detail::is_key_of_another(key)) {
      fail("this cache has no " + std::string(key) +
           ": neither its layout, nor its tiers, nor its split policy know it");
    }
    if (found == nullptr) fail("there is no key " + detail::quoted_value(key));
    if (value.empty()) fail(std::string(key) + " has no value");
    const auto [at, is_new] = lines.emplace(found->says, number);
    if (!is_new) {
      fail(std::string(key) + " says what line " + std::to_string(at->second) + " says already");
    }
    const std::string wrong = found->set(value);
    if (!wrong.empty()) fail(std::string(key) + " is " + detail::quoted_value(value) + ", " + wrong);
  }
  try {
    static_cast<void>(detail::checked(fresh));
  } catch (const config_error& e) {
    throw data_error(name, 0, e.what());
  }
  config = fresh;
}

/// The same from a file of at most 1 MiB. Throws data_error when it cannot be read, too.
template <class Config>
void read_cache_config_file(const std::filesystem::path& path, Config& config)
{
  constexpr std::size_t most = std::size_t{1} << 20U;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) text.assign(std::istreambuf_iterator<char>(file), {});
  if (!file || file.bad()) throw data_error(path.string(), 0, "the file cannot be read");
  if (text.size() > most) {
    throw data_error(path.string(), 0,
                     "the file has " + std::to_string(text.size()) + " bytes, but a configuration may have at most " +
                         std::to_string(most));
  }
  read_cache_config(text, config, path.string());
}

/// What read_cache_config reads as the same configuration: every key that this cache has, a line each.
template <class Config>
[[nodiscard]] std::string write_cache_config(const Config& config)
{
  Config copy = config;
  std::string out;
  const detail::config_key_list keys = detail::keys_of(copy);
  for (const detail::config_key& key : keys.all()) {
    if (key.get) out += key.name + " = " + key.get() + "\n";
  }
  return out;
}

}  // namespace kvstrata
