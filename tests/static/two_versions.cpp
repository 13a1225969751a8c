// Compiled twice, as if against two minor versions (TESTED_VERSION, which is also KVSTRATA_VERSION_NAMESPACE): a cache that
// serves, and what tells one version's things from another's.
#include "two_versions.hpp"

#include <kvstrata/kvstrata.hpp>
#include <kvstrata/observe/counters.hpp>

#include <typeinfo>

namespace {

/// Serves one user twice; whether the second time nothing is computed.
bool serves()
{
  kvstrata::emulated_device device;
  kvstrata::default_cache<kvstrata::emulated_device> cache(
      device,
      {.shape = {.layers = 2, .kv_heads = 1, .head_dim = 8}, .tiers = {{.bytes = 1 << 20}, {.bytes = 1 << 20}}});
  const auto compute = device.create_stream("compute");
  const kvstrata::request batch[] = {{.user = kvstrata::user_id{7}, .history_tokens = 100}};
  bool right = true;
  for (int round = 0; round != 2; ++round) {
    auto lease = cache.prepare(batch, compute).value();
    right = right && lease.compute(0).empty() == (round == 1);
    for (kvstrata::layer_index l = 0; l < 2; ++l) {
      lease.wait(l);
      lease.layer_done(l);
    }
    lease.commit();
  }
  return right;
}

void misuse() { throw kvstrata::usage_error("of this version"); }

bool is_caught(void (*other)())
{
  try {
    other();
  } catch (const kvstrata::usage_error&) {
    return true;
  } catch (const std::exception&) {
  }
  return false;
}

}  // namespace

const tested_version TESTED_VERSION{&kvstrata::version, &typeid(kvstrata::counters), &serves, &misuse, &is_caught};
