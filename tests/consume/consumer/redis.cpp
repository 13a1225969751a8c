#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/redis_cluster.hpp>

#include <cstdio>
#include <string_view>

int main()
{
  kvstrata::emulated_device device;
  try {  // where nobody listens
    kvstrata::redis_cluster<>::on<kvstrata::emulated_device> cluster(device, {.addresses = {"127.0.0.1:1"}});
  } catch (const kvstrata::error& e) {
    std::printf("%s\n", e.what());
    return std::string_view(e.what()).find("127.0.0.1:1") != std::string_view::npos ? 0 : 1;
  }
  return 1;
}
