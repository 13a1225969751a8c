#include <kvstrata/simulate/unpack/gzip.hpp>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

int main()
{
  // "traces\n", as gzip -n packs it.
  constexpr std::array<unsigned char, 27> packed{0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                                 0x03, 0x2b, 0x29, 0x4a, 0x4c, 0x4e, 0x2d, 0xe6, 0x02,
                                                 0x00, 0x7c, 0x4b, 0xbb, 0xe4, 0x07, 0x00, 0x00, 0x00};
  std::array<char, 27> in{};
  std::memcpy(in.data(), packed.data(), packed.size());
  std::array<char, 64> out{};
  const std::unique_ptr<kvstrata::unpacker> unpacker = kvstrata::make_gzip_unpacker();
  const kvstrata::unpacker::step done = unpacker->take(in, out);
  std::printf("%zu bytes are %.*s", done.taken, static_cast<int>(done.made), out.data());
  return done.fault.empty() && unpacker->is_whole() && std::string_view(out.data(), done.made) == "traces\n" ? 0 : 1;
}
