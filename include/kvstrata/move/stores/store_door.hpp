// The door of a store: who may come in of whom it has nothing.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>

#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A store shared by several caches has a door in each, which knows the requests of its own. Not synchronised.
template <class Residency, level_index Level, class Recipe>
class store_door
{
 public:
  using admission = store_admission_t<Recipe>;
  using entry_type = typename Residency::entry_type;
  static constexpr level_index last = Residency::memories - 1;

  /// The policy is told what the store has room for, or where that is not known, ten times what the last memory has.
  template <class Store>
  store_door(Residency& r, const Store& store) : admission_(make_admission<admission>(size_of(r, store)))
  {
  }

  /// The entry was used by a batch, or is about to be, whether the store has it or not.
  void requested([[maybe_unused]] Residency& r, [[maybe_unused]] entry_type& e, [[maybe_unused]] const reuse_hint& hint)
  {
    if constexpr (requires(admission& a, const object_info& o) { a.requested(o); }) {
      admission_.requested(info(r, e, e.template look<0>().tokens, hint));
    }
  }

  /// May `part` of an entry come in, of which the store has nothing?
  [[nodiscard]] bool admits([[maybe_unused]] Residency& r, [[maybe_unused]] const entry_type& e,
                            [[maybe_unused]] token_interval part)
  {
    if constexpr (std::is_same_v<admission, always>) return true;
    else return admission_.admits(info(r, e, part, {}), nullptr);
  }

 private:
  template <class Store>
  [[nodiscard]] static tier_size size_of(Residency& r, const Store& store)
  {
    if constexpr (tells_its_size<Store>) return store.size();
    else return ten_times(r.template level<last>().size());
  }
  [[nodiscard]] static tier_size ten_times(const tier_size& above) noexcept
  {
    return {.bytes = 10 * above.bytes, .objects = 10 * above.objects};
  }

  [[nodiscard]] static object_info info(Residency& r, const entry_type& e, token_interval tokens,
                                        const reuse_hint& hint)
  {
    return r.template level<last>().as_if_here(e, tokens, r.pages(tokens).size(), hint);
  }

  [[no_unique_address]] admission admission_;
};

}  // namespace kvstrata
