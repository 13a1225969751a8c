// An admission policy that is chosen at run time. It costs two indirect calls a request, so a program that knows its
// policy names it as a type; a program that offers a menu is spared a template for each pair on it.
#pragma once

#include <kvstrata/replacement/admission/concepts.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class any_admission
{
 public:
  using option_kind = admission_option;

  /// Everybody comes in.
  any_admission() = default;

  template <class Policy>
  // In this order: whether any_admission is a policy depends on how it is copied.
    requires(!std::same_as<std::remove_cvref_t<Policy>, any_admission> && admission_policy<std::remove_cvref_t<Policy>>)
  explicit any_admission(Policy&& policy)
      : held_(std::make_unique<holder<std::remove_cvref_t<Policy>>>(std::forward<Policy>(policy)))
  {
  }

  void requested(const object_info& info)
  {
    if (held_) held_->requested(info);
  }
  [[nodiscard]] bool admits(const object_info& candidate, const object_info* victim)
  {
    return !held_ || held_->admits(candidate, victim);
  }

 private:
  struct any_holder
  {
    virtual ~any_holder() = default;
    virtual void requested(const object_info& info) = 0;
    virtual bool admits(const object_info& candidate, const object_info* victim) = 0;
  };

  template <class Policy>
  struct holder final : any_holder
  {
    template <class From>
    explicit holder(From&& from) : policy(std::forward<From>(from))
    {
    }
    void requested(const object_info& info) override { notify_requested(policy, info); }
    bool admits(const object_info& candidate, const object_info* victim) override
    {
      return policy.admits(candidate, victim);
    }
    Policy policy;
  };

  std::unique_ptr<any_holder> held_;
};

static_assert(admission_policy<any_admission>);

}  // namespace kvstrata
