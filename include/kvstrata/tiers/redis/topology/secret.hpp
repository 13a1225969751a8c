// A password in memory: in a page of its own, which is neither dumped nor, where the system lets it, swapped out, and which is
// overwritten in the end. It is not copied: what sends it reads it there.
#pragma once

#include <kvstrata/core/error.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

class secret
{
 public:
  static constexpr std::size_t most_bytes = 4096;

  secret(const secret&) = delete;
  secret& operator=(const secret&) = delete;
  ~secret()
  {
    volatile char* const bytes = page_;
    for (std::size_t i = 0; i < size_; ++i) bytes[i] = 0;
    ::munmap(page_, most_bytes);
  }

  [[nodiscard]] std::string_view view() const noexcept { return {page_, size_}; }

  /// Copies it; `from` is the caller's to forget. Throws capacity_error where there is no memory.
  [[nodiscard]] static std::shared_ptr<const secret> of(std::string_view from)
  {
    const std::shared_ptr<secret> out(new secret);
    if (from.size() > most_bytes) {
      throw config_error("redis_cluster.password", std::to_string(from.size()) + " bytes long",
                         "it may have at most " + std::to_string(most_bytes));
    }
    std::memcpy(out->page_, from.data(), from.size());
    out->size_ = from.size();
    return out;
  }

  /// The first line of a file that nobody but its owner may read. Throws error.
  [[nodiscard]] static std::shared_ptr<const secret> of_file(const std::string& path)
  {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) throw error("the password's file " + path + " cannot be opened: " + std::strerror(errno));
    struct closes
    {
      int file;
      ~closes() { ::close(file); }
    } const closing{file};
    struct ::stat about{};
    if (::fstat(file, &about) != 0 || !S_ISREG(about.st_mode))
      throw error("the password's file " + path + " is no file");
    if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
      throw error("the password's file " + path + " may be read by others than its owner: chmod 600");
    }
    const std::shared_ptr<secret> out(new secret);
    const ::ssize_t got = ::read(file, out->page_, most_bytes);
    if (got <= 0) throw error("the password's file " + path + " has nothing in it");
    const void* const line = std::memchr(out->page_, '\n', static_cast<std::size_t>(got));
    out->size_ = line != nullptr ? static_cast<std::size_t>(static_cast<const char*>(line) - out->page_)
                                 : static_cast<std::size_t>(got);
    if (out->size_ == 0) throw error("the password's file " + path + " begins with an empty line");
    return out;
  }

  /// Of a variable of the environment; null: it is not set, or empty.
  [[nodiscard]] static std::shared_ptr<const secret> of_variable(const char* name)
  {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') return nullptr;
    return of(value);
  }

 private:
  secret()
  {
    void* const page = ::mmap(nullptr, most_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) throw capacity_error("a page for a password cannot be had");
    page_ = static_cast<char*>(page);
    ::madvise(page_, most_bytes, MADV_DONTDUMP);
    ::mlock(page_, most_bytes);  // where the limit lets it
  }

  char* page_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace kvstrata::redis
