#include <kvstrata/codec/exp_zstd.hpp>

#include <cstddef>
#include <cstdio>
#include <span>
#include <vector>

int main()
{
  const kvstrata::piece_shape shape{32, 4, 64, kvstrata::element_type::bf16};
  const auto coder = kvstrata::codec::exp_zstd::coder(shape, {});
  const std::vector<std::byte> raw(shape.bytes());
  std::vector<std::byte> code(coder.most_bytes());
  const std::size_t bytes = coder.encode(raw, code);
  std::vector<std::byte> back(shape.bytes(), std::byte{1});
  std::printf("%zu bytes of zeros are a code of %zu\n", raw.size(), bytes);
  return coder.decode(std::span(code).first(bytes), back) && back == raw ? 0 : 1;
}
