// A user and the length of their history.
#pragma once

#include <kvstrata/core/ids.hpp>

namespace kvstrata_test {

struct turn
{
  unsigned user = 0;
  kvstrata::token_count history = 0;
};

}  // namespace kvstrata_test
