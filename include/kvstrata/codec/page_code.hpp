// A level's coder, whatever its type: what copy lists carry along, and devices carry out.
#pragma once

#include <kvstrata/codec/code_pieces.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Shared by the level and whatever is queued: it may change for what is written from then on, while copies under way keep
/// theirs. Const and thread-safe.
class page_code : public std::enable_shared_from_this<page_code>
{
 public:
  page_code(const page_code&) = delete;
  page_code& operator=(const page_code&) = delete;
  virtual ~page_code() = default;

  [[nodiscard]] const piece_shape& piece() const noexcept { return piece_; }
  /// Of an encoded piece.
  [[nodiscard]] std::size_t code_bytes() const noexcept { return code_bytes_; }

  /// On the host. As encode_pieces.
  virtual code_counts encode(std::span<const code_piece> pieces) const noexcept = 0;
  /// On the host. As decode_pieces.
  virtual code_counts decode(std::span<const code_piece> pieces) const noexcept = 0;
  /// Has a unit of the encoded piece its bytes elsewhere?
  [[nodiscard]] virtual bool keeps_raw(const std::byte* code) const noexcept = 0;

 protected:
  page_code(const piece_shape& piece, std::size_t code_bytes) noexcept : piece_(piece), code_bytes_(code_bytes) {}

 private:
  piece_shape piece_;
  std::size_t code_bytes_;
};

template <list_coder K>
class page_code_of : public page_code
{
 public:
  page_code_of(const piece_shape& piece, const K& coder) : page_code(piece, coder.code_bytes()), coder_(coder) {}

  [[nodiscard]] const K& coder() const noexcept { return coder_; }

  code_counts encode(std::span<const code_piece> pieces) const noexcept override
  {
    return encode_pieces(coder_, pieces);
  }
  code_counts decode(std::span<const code_piece> pieces) const noexcept override
  {
    return decode_pieces(coder_, pieces);
  }
  [[nodiscard]] bool keeps_raw(const std::byte* code) const noexcept override
  {
    for (std::uint32_t unit = 0; unit < coder_.units(); ++unit) {
      if (coder_.kind_of(unit, code) == unit_kind::raw) return true;
    }
    return false;
  }

 private:
  K coder_;
};

/// How both ends of a copy keep their bytes; null: as they are.
struct coding
{
  const page_code* from = nullptr;
  const page_code* to = nullptr;

  [[nodiscard]] constexpr bool any() const noexcept { return from != nullptr || to != nullptr; }
  friend constexpr bool operator==(coding, coding) = default;
};

/// A copy of one piece of which an end is encoded.
struct coded_piece
{
  std::byte* dst = nullptr;
  const std::byte* src = nullptr;
  std::byte* dst_elsewhere = nullptr;        ///< where the destination keeps raw bytes, if that is encoded
  const std::byte* src_elsewhere = nullptr;  ///< the source's
  bool whole = true;                         ///< false: the destination is not to encode it
};

/// Carries copies out on the host.
class coded_copy
{
 public:
  /// Throws std::bad_alloc.
  coded_copy(coding how, std::span<const coded_piece> pieces)
      : from_(how.from == nullptr ? nullptr : how.from->shared_from_this()),
        to_(how.to == nullptr ? nullptr : how.to->shared_from_this()),
        pieces_(pieces.begin(), pieces.end())
  {
    if (from_ && to_) between_.resize(from_->piece().bytes());
  }

  void operator()()
  {
    for (const coded_piece& p : pieces_) {
      std::byte* const raw = from_ == nullptr ? const_cast<std::byte*>(p.src)
                             : to_ == nullptr ? p.dst
                                              : between_.data();
      if (from_) {
        const code_piece one{raw, const_cast<std::byte*>(p.src), const_cast<std::byte*>(p.src_elsewhere), true};
        from_->decode({&one, 1});
      }
      if (to_) {
        const code_piece one{raw, p.dst, p.dst_elsewhere, p.whole};
        to_->encode({&one, 1});
      }
    }
  }

 private:
  std::shared_ptr<const page_code> from_, to_;
  std::vector<coded_piece> pieces_;
  std::vector<std::byte> between_;
};

/// Bytes of a piece at one end.
[[nodiscard]] inline std::size_t bytes_at(const page_code* end, std::size_t raw_bytes) noexcept
{
  return end == nullptr ? raw_bytes : end->code_bytes();
}
/// Bytes of a piece on its way: the shorter end's.
[[nodiscard]] inline std::size_t travelling_bytes(coding how, std::size_t raw_bytes) noexcept
{
  const std::size_t from = bytes_at(how.from, raw_bytes);
  const std::size_t to = bytes_at(how.to, raw_bytes);
  return from < to ? from : to;
}

}  // namespace kvstrata
