// The states of leases, used again and again.
#pragma once

#include <kvstrata/cache/lease.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Owns them, so that a lease does not allocate in steady state. Not synchronised.
template <class State>
class lease_pool
{
 public:
  using state = State;

  /// Taken and not taken back.
  [[nodiscard]] std::size_t open() const noexcept { return states_.size() - idle_.size(); }

  /// A state that holds nobody, for a model of so many layers. When it throws, none is taken.
  [[nodiscard]] state& take(std::size_t layers)
  {
    if (idle_.empty()) {
      idle_.reserve(states_.size() + 1);  // room for all: taking back cannot fail
      states_.push_back(std::make_unique<state>());
      idle_.push_back(states_.back().get());
    }
    state& s = *idle_.back();
    s.begin(layers);
    idle_.pop_back();
    return s;
  }

  void take_back(state& s) noexcept
  {
    s.tag = {};
    idle_.push_back(&s);
  }

  /// Calls visit(state) for all that are out as leases.
  template <class Visit>
  void each(Visit&& visit) const
  {
    for (const std::unique_ptr<state>& s : states_) {
      if (s->tag.number != 0) visit(*s);
    }
  }

 private:
  std::vector<std::unique_ptr<state>> states_;
  std::vector<state*> idle_;
};

}  // namespace kvstrata
