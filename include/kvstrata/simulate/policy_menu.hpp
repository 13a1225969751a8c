// Replacement policies by name, for programs that let their users choose. Yours joins in one line:
//
//   policy_menu menu = shipped_policies();                        // simulate/shipped_policies.hpp
//   menu.add<my_policy>("my_policy", "what it does, in a line");
//   instances.push_back(menu.find("my_policy").make({.bytes = 1000, .objects = 1000}, object_size::unit, {}));
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/any_admission.hpp>
#include <kvstrata/simulate/sweep_instance.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A cache for a sweep, of a size and a way to count that are known at run time only; without an admission policy
/// everybody comes in. Compiles six caches.
template <replacement_policy Policy>
[[nodiscard]] std::unique_ptr<sweep_instance> make_sweep_instance(const tier_size& size, object_size counted,
                                                                  std::optional<any_admission> admission)
{
  const auto make = [&]<object_size Size>() -> std::unique_ptr<sweep_instance> {
    if (!admission) return std::make_unique<sweep_instance_of<Policy, always, Size>>(size);
    return std::make_unique<sweep_instance_of<Policy, any_admission, Size>>(size, std::move(*admission));
  };
  switch (counted) {
    case object_size::unit: return make.template operator()<object_size::unit>();
    case object_size::fixed: return make.template operator()<object_size::fixed>();
    case object_size::growing: return make.template operator()<object_size::growing>();
  }
  throw config_error("object_size", static_cast<std::uint64_t>(counted), "it must be unit, fixed or growing");
}

struct menu_policy
{
  using factory = std::unique_ptr<sweep_instance> (*)(const tier_size&, object_size, std::optional<any_admission>);

  std::string name;
  std::string about;          ///< in a line
  bool needs_future = false;  ///< it wants trace_access::next_request, and is of use to a simulator only
  factory make = nullptr;
};

class policy_menu
{
 public:
  /// Throws config_error when the name is taken.
  template <replacement_policy Policy>
  policy_menu& add(std::string name, std::string about, bool needs_future = false)
  {
    if (seek(name) != entries_.end()) {
      throw config_error("policy name", "'" + name + "'", "another policy of the menu has it");
    }
    entries_.push_back({std::move(name), std::move(about), needs_future, &make_sweep_instance<Policy>});
    return *this;
  }

  /// Throws config_error, with the names there are.
  [[nodiscard]] const menu_policy& find(std::string_view name) const
  {
    const auto found = seek(name);
    if (found == entries_.end()) {
      std::string names;
      for (const menu_policy& one : entries_) names += (names.empty() ? "" : ", ") + one.name;
      throw config_error("policy name", "'" + std::string(name) + "'", "it must be one of " + names);
    }
    return *found;
  }

  [[nodiscard]] const std::vector<menu_policy>& entries() const noexcept { return entries_; }

 private:
  [[nodiscard]] std::vector<menu_policy>::const_iterator seek(std::string_view name) const
  {
    return std::find_if(entries_.begin(), entries_.end(), [name](const menu_policy& one) { return one.name == name; });
  }

  std::vector<menu_policy> entries_;
};

}  // namespace kvstrata
