// A user and the length of their history; and what else a request may have in mind.
#pragma once

#include <kvstrata/core/ids.hpp>

namespace kvstrata_test {

struct turn
{
  static constexpr kvstrata::token_count never = ~kvstrata::token_count{0};

  unsigned user = 0;
  kvstrata::token_count history = 0;
  kvstrata::token_count moves_on = 0;       ///< the window, by so many tokens
  kvstrata::token_count tail = 0;           ///< volatile
  kvstrata::token_count rewritten = never;  ///< from there on the history is another one
  bool once = false;                        ///< in this request alone
};

}  // namespace kvstrata_test
