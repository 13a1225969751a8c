#include <kvstrata/tiers/nvme/io/best_engine.hpp>

#include <cstdio>
#include <exception>
#include <memory>

int main()
try {
  const char* const path = "consumer_uring.store";
  const std::unique_ptr<kvstrata::nvme::block_engine> engine = kvstrata::nvme::make_best_engine(
      {.paths = {path}, .bytes = 1 << 20, .stripe_bytes = 1 << 16, .direct = true, .depth = 4});
  std::remove(path);
  std::printf("%s. %s\n", engine->name().data(), engine->explanation().c_str());
  return engine->flush_sync();
} catch (const std::exception& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return 1;
}
