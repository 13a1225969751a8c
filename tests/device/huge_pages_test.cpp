// Pinned memory is made so that the system can give it in huge pages, and how much it gave is told.
#include "support/catch.hpp"

#include <kvstrata/core/huge_pages.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <cstdint>
#include <cstring>
#include <span>

using namespace kvstrata;

TEST_CASE("large pinned memory begins at a huge page, and what lies in huge pages is at most all of it")
{
  emulated_device d({.time = time_mode::virtual_time});
  for (const std::size_t bytes : {std::size_t{4096}, 2 * huge_page_bytes, 3 * huge_page_bytes + 4096}) {
    CAPTURE(bytes);
    const auto memory = d.allocate_pinned(bytes, "some");
    if (bytes >= 2 * huge_page_bytes) CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % huge_page_bytes == 0);
    for (std::size_t i = 0; i < bytes; i += 4096) REQUIRE(memory.data()[i] == std::byte{0});
    std::memset(memory.data(), 1, bytes);
    const auto in_huge_pages =
        bytes_in_huge_pages({memory.data(), bytes});  // none where the system gives none, or is silent
    CHECK(in_huge_pages.value_or(0) <= bytes);
  }
}
