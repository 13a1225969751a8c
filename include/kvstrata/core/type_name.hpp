// What a type is called in sentences, and one that blames it.
#pragma once

#include <kvstrata/core/error.hpp>

#include <string>
#include <string_view>

#define KVSTRATA_TEXT_OF_TOKEN(token) #token
#define KVSTRATA_TEXT_OF(macro) KVSTRATA_TEXT_OF_TOKEN(macro)

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// As the compiler spells it, its namespaces included; "a type of yours" where the compiler does not say.
template <class T>
[[nodiscard]] constexpr std::string_view name_of_type() noexcept
{
#if defined(__GNUC__) || defined(__clang__)
  std::string_view text = __PRETTY_FUNCTION__;
  const std::string_view before = "T = ";
  const auto begin = text.find(before);
  if (begin == std::string_view::npos) return "a type of yours";
  text.remove_prefix(begin + before.size());
  return text.substr(0, text.find_first_of(";]"));
#else
  return "a type of yours";
#endif
}

namespace detail {

/// Throws contract_error: the type's name, and what it does.
template <class T>
[[noreturn]] void blame(const std::string& what)
{
  std::string name(name_of_type<T>());
  const std::string_view version = KVSTRATA_TEXT_OF(KVSTRATA_VERSION_NAMESPACE) "::";  // that nobody wrote
  for (auto at = name.find(version); at != std::string::npos; at = name.find(version, at)) {
    name.erase(at, version.size());
  }
  throw contract_error(name + what);
}

}  // namespace detail

}  // namespace kvstrata

#undef KVSTRATA_TEXT_OF
#undef KVSTRATA_TEXT_OF_TOKEN
