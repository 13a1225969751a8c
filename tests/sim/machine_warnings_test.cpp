// kvstrata-sim machine: what the configurations are warned of stands beside their results.
#include "command_line/source_dir.hpp"
#include "sim/commands.hpp"

#include "support/catch.hpp"

#include <sstream>
#include <string>
#include <vector>

TEST_CASE("a host smaller than the device is warned of", "[sim][machine]")
{
  const std::string file = (tools::source_dir() / "tools/sim/machines/h200_pcie5.machine").string();
  const auto said_with = [&](const char* host_gib) {
    const std::vector<const char*> arguments{
        "kvstrata-sim machine", "--machine", file.c_str(), "--users", "5", "--requests", "5", "--caches", "default",
        "--device-gib",         "1",         "--host-gib", host_gib};
    std::ostringstream out, err;
    REQUIRE(sim::machine_command(static_cast<int>(arguments.size()), arguments.data(), out, err) == 0);
    return out.str();
  };
  CHECK(said_with("0.5").find("  warning: the arena has 536870912 bytes, fewer than the slab above it, which has "
                              "1073741824: ") != std::string::npos);
  CHECK(said_with("2").find("warning") == std::string::npos);
}
