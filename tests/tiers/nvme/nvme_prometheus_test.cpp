// What a monitoring system reads of an nvme_file.
#include "support/catch.hpp"
#include "tiers/nvme/scratch_files.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme/prometheus.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <sstream>
#include <string>

using namespace kvstrata;

TEST_CASE("a store's figures are written for Prometheus, and say which engine moves its bytes")
{
  const kvstrata_test::scratch_files folder;
  emulated_device d({.time = time_mode::virtual_time});
  nvme_file_config c;
  c.paths = {folder.path("store")};
  c.bytes = 1 << 20;
  c.region_bytes = 1 << 17;
  c.chunk_bytes = 1 << 14;
  nvme_file<>::on<emulated_device> store(d, c);
  kvstrata_test::store_bed<nvme_file<>::on<emulated_device>, emulated_device> records(d, store);
  REQUIRE(records.keep(0, 1, 10, {0, 8}));
  const auto found = records.find(1);
  REQUIRE(found);
  const auto got = records.get(100, 1, *found, {0, 8});
  REQUIRE(got);
  REQUIRE(records.wait(*got).done());
  store.erase({.id = 1});
  std::ostringstream text;
  prometheus_writer to(text, {{"store", "a"}});
  write_prometheus(to, store.figures());
  to.finish();
  const std::string all = text.str();
  INFO(all);
  const auto has = [&all](const std::string& line) { return all.find(line) != std::string::npos; };
  CHECK(has("nvme_calls_total{store=\"a\",call=\"put\"} 1\n"));
  CHECK(has("nvme_calls_total{store=\"a\",call=\"get\"} 1\n"));
  CHECK(has("nvme_calls_total{store=\"a\",call=\"erase\"} 1\n"));
  CHECK(has("nvme_page_bytes_total{store=\"a\",call=\"get\"} " + std::to_string(2 * kvstrata_test::record_page_bytes)));
  CHECK(has("nvme_records{store=\"a\"} 0\n"));
  CHECK(has("nvme_engine{store=\"a\",engine=\"threads\"} 1\n"));
}
