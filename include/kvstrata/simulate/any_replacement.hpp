// A replacement policy that is chosen at run time, for programs that offer a menu of them for each tier. An object's hook
// is allocated when it first comes in, and each call is indirect; a cache that knows its policy names it as a type.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class any_replacement
{
  struct any_node
  {
    any_node() = default;
    any_node(const any_node&) = delete;
    any_node& operator=(const any_node&) = delete;
    virtual ~any_node() = default;
  };

 public:
  class hook
  {
    friend any_replacement;
    std::unique_ptr<any_node> own_;  // with the policy's own hook; kept from one stay to the next, as that would be
  };

  template <replacement_policy Policy>
  [[nodiscard]] static any_replacement of(const tier_size& size)
  {
    return any_replacement(std::make_unique<holder<Policy>>(size));
  }

  void insert(hook& object, const object_info& info) { held_->insert(object, info); }
  void touch(hook& object, const object_info& info) { held_->touch(object, info); }
  void remove(hook& object) noexcept { held_->remove(object); }
  void changed(hook& object, const object_info& info) noexcept { held_->changed(object, info); }
  void evict(hook& object, const object_info& info) noexcept { held_->evict(object, info); }

  template <class Visit>
  void victims(Visit&& visit)
  {
    ask(visit, nullptr);
  }
  template <class Visit>
  void victims(Visit&& visit, const object_info& coming)
  {
    ask(visit, &coming);
  }

 private:
  using visit_call = bool (*)(void*, hook&);

  template <class Visit>
  void ask(Visit& visit, const object_info* coming)
  {
    held_->victims([](void* to, hook& object) { return (*static_cast<Visit*>(to))(object); },
                   const_cast<std::remove_const_t<Visit>*>(&visit), coming);
  }

  struct any_holder
  {
    any_holder() = default;
    any_holder(const any_holder&) = delete;
    any_holder& operator=(const any_holder&) = delete;
    virtual ~any_holder() = default;
    virtual void insert(hook& object, const object_info& info) = 0;
    virtual void touch(hook& object, const object_info& info) = 0;
    virtual void remove(hook& object) noexcept = 0;
    virtual void changed(hook& object, const object_info& info) noexcept = 0;
    virtual void evict(hook& object, const object_info& info) noexcept = 0;
    virtual void victims(visit_call visit, void* to, const object_info* coming) = 0;  // null: nobody says who
  };

  template <class Policy>
  struct holder final : any_holder
  {
    struct node final : any_node, Policy::hook
    {
      explicit node(hook& object) : outer(&object) {}
      hook* outer;
    };

    explicit holder(const tier_size& size) : policy(make_replacement<Policy>(size)) {}

    static node& of(hook& object) noexcept { return static_cast<node&>(*object.own_); }

    void insert(hook& object, const object_info& info) override
    {
      if (!object.own_) object.own_ = std::make_unique<node>(object);
      policy.insert(of(object), info);
    }
    void touch(hook& object, const object_info& info) override { policy.touch(of(object), info); }
    void remove(hook& object) noexcept override { policy.remove(of(object)); }
    void changed(hook& object, const object_info& info) noexcept override { notify_changed(policy, of(object), info); }
    void evict(hook& object, const object_info& info) noexcept override { notify_evicted(policy, of(object), info); }
    void victims(visit_call visit, void* to, const object_info* coming) override
    {
      const auto pass = [visit, to](typename Policy::hook& object) {
        return visit(to, *static_cast<node&>(object).outer);
      };
      if (coming != nullptr) visit_victims(policy, pass, *coming);
      else policy.victims(pass);
    }

    Policy policy;
  };

  explicit any_replacement(std::unique_ptr<any_holder> held) : held_(std::move(held)) {}

  std::unique_ptr<any_holder> held_;
};

}  // namespace kvstrata
