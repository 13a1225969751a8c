// How a memory gives the last one what that is to put in stores.
#pragma once

#include <kvstrata/move/demoter.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Residency, class Transfer>
template <level_index From>
token_count demoter<Residency, Transfer>::sink(entry_type& e, lane_number mine)
{
  constexpr level_index last = memories - 1;
  const token_count before = e.template look<last>().tokens.size();
  residency_->hot().heat(e);
  const lane_number lane = lanes_->of(mine, e.hot().last_use);
  ++e.holds;  // or room might be made at their expense
  const auto let_go = [&]() noexcept {
    --e.holds;
    residency_->changed(e);
    residency_->discard_if_empty(e);
  };
  start<From>();
  try {
    wait_for_uses<From, last>(e, lane);
    static_cast<void>(write_down<From, last>(e, e.template look<From>().tokens, lane));
    static_cast<void>(queue<From>({}, [](const ticket&, lane_number) {}));
  } catch (...) {
    retract<From>();
    let_go();
    throw;
  }
  const token_count after = e.template look<last>().tokens.size();
  let_go();
  return after - before;
}

}  // namespace kvstrata
