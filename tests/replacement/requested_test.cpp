// Who comes back by a write alone, without a request, has not returned: policies with ghosts take them for newcomers.
#include "replacement/replacement_conformance.hpp"
#include "support/catch.hpp"

#include <kvstrata/replacement/arc.hpp>
#include <kvstrata/replacement/lirs.hpp>
#include <kvstrata/replacement/lru_k.hpp>
#include <kvstrata/replacement/s3_fifo.hpp>
#include <kvstrata/replacement/two_q.hpp>

#include <cstdint>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::replacement_rig;

/// Fills a tier of 32 objects of a byte, lets its first victim go, lets `comes` in, or the victim again for ~0, then
/// others; and says in what order all would go, the newcomer told as 99.
template <class Policy>
std::vector<std::uint32_t> order_after(std::uint32_t comes, bool requested)
{
  replacement_rig<Policy> r(64, 32);
  for (std::uint32_t id = 0; id < 64; ++id) r[id].info.bytes = 1;
  for (std::uint32_t id = 0; id < 32; ++id) r.insert(id);
  const std::uint32_t gone = r.victims(1).front();
  r.evict(gone);
  const std::uint32_t newcomer = comes == ~0U ? gone : comes;
  r[newcomer].info.requested = requested;
  r.insert(newcomer);
  for (std::uint32_t id = 50; id < 54; ++id) {
    r.evict(r.victims(1).front());
    r.insert(id);
  }
  std::vector<std::uint32_t> order = r.victims(~0U);
  for (std::uint32_t& id : order) id = id == newcomer ? 99 : id;
  return order;
}

}  // namespace

TEMPLATE_TEST_CASE("without a request nobody returns", "[replacement]", s3_fifo, two_q, arc, lirs, lru_k<>)
{
  const auto never_seen = order_after<TestType>(40, true);
  CHECK(order_after<TestType>(~0U, false) == never_seen);
  CHECK(order_after<TestType>(~0U, true) != never_seen);
}
