#include <kvstrata/kvstrata.hpp>

#include <cstdio>

int main()
{
  const kvstrata::interval_list rest = kvstrata::uncovered({0, 100}, {20, 80});
  std::printf("kvstrata %.*s: %u tokens to compute\n", static_cast<int>(kvstrata::version.size()),
              kvstrata::version.data(), static_cast<unsigned>(kvstrata::total(rest)));
  return kvstrata::total(rest) == 40 ? 0 : 1;
}
