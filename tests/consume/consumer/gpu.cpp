#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/device/cuda_device.hpp>

#include <cstdio>
#include <exception>

int main()
try {
  if (const auto gpus = kvstrata::cuda::probe_gpus(); !gpus) {
    std::printf("SKIPPED: a cache on a GPU because %s\n", gpus.reason.c_str());
    return 0;
  }
  kvstrata::cuda_device device;
  const auto compute = device.create_stream("compute");
  kvstrata::default_cache<kvstrata::cuda_device> cache(device, {.shape = {.layers = 2, .kv_heads = 1, .head_dim = 8},
                                                                .tiers = {{.bytes = 1 << 20}, {.bytes = 1 << 20}}});
  const kvstrata::request batch[] = {{.user = kvstrata::user_id{7}, .history_tokens = 100}};
  auto lease = cache.prepare(batch, compute).value();
  for (kvstrata::layer_index layer = 0; layer < 2; ++layer) {
    lease.wait(layer);
    lease.layer_done(layer);
  }
  lease.commit();
  return lease.sources(0).computed == 100 ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return 1;
}
