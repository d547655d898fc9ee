// Files in memory, for tests: what is mapped stays when the mapping goes, as the page cache outlives a
// process. After a power cut each page is either as the last sync left it or as it was written since.
// Memory: the files, twice. Cost: copies. Threads: one. Errors: as Files says; sync_fails makes sync() fail.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "agent/base/files.h"

namespace weir::test {

class MemoryFiles final : public Files {
public:
    struct Content {
        explicit Content(Bytes bytes_in_all) : words(bytes_in_all / 8 + 1), synced(bytes_in_all), size(bytes_in_all) {}
        MutableByteSpan bytes() { return std::as_writable_bytes(std::span(words)).first(size); }
        std::vector<std::uint64_t> words;  // for its alignment
        std::vector<std::byte> synced;
        Bytes size;
    };

    bool sync_fails = false;

    MutableByteSpan at(const std::string& path) { return files_.at(path)->bytes(); }
    bool has(const std::string& path) const { return files_.count(path) != 0; }
    void put(const std::string& path, ByteSpan bytes) {
        auto content = std::make_shared<Content>(bytes.size());
        if (!bytes.empty()) std::memcpy(content->bytes().data(), bytes.data(), bytes.size());
        files_[path] = content;
    }
    void power_cut(Entropy& entropy) {
        for (auto& [path, content] : files_)
            for (Bytes page = 0; page < content->size; page += 4096) {
                if (entropy.word() % 2) continue;
                const Bytes count = std::min<Bytes>(4096, content->size - page);
                std::memcpy(content->bytes().data() + page, content->synced.data() + page, count);
            }
        for (auto& [path, content] : files_)
            std::memcpy(content->synced.data(), content->bytes().data(), content->size);
    }

    Result<std::unique_ptr<MappedFile>> map(const std::string& path, Bytes size) override {
        auto& content = files_[path];
        if (!content || content->size == 0) content = std::make_shared<Content>(size);
        if (content->size != size) return Error::invalid;
        return std::unique_ptr<MappedFile>(new Mapping(*this, content));
    }
    Result<Bytes> size(const std::string& path) override {
        if (!has(path)) return Error::missing;
        return files_.at(path)->size;
    }
    Result<std::string> read(const std::string& path, Bytes size_max) override {
        if (!has(path)) return Error::missing;
        if (files_.at(path)->size > size_max) return Error::out_of_range;
        return std::string(as_text(files_.at(path)->bytes()));
    }
    Status replace(const std::string& path, ByteSpan content, bool) override {
        put(path, content);
        return {};
    }
    Status rename(const std::string& from, const std::string& to) override {
        if (!has(from)) return Error::missing;
        files_[to] = files_.at(from);
        files_.erase(from);
        return {};
    }
    Status remove(const std::string& path) override {
        return files_.erase(path) ? Status::success() : Status(Error::missing);
    }
    Status make_folders(const std::string&) override { return {}; }
    Result<std::vector<std::string>> list(const std::string&) override { return std::vector<std::string>{}; }

private:
    class Mapping final : public MappedFile {
    public:
        Mapping(MemoryFiles& files, std::shared_ptr<Content> content) : files_(files), content_(content) {}
        MutableByteSpan memory() override { return content_->bytes(); }
        Status sync() override {
            if (files_.sync_fails) return Error::io;
            std::memcpy(content_->synced.data(), content_->bytes().data(), content_->size);
            return {};
        }

    private:
        MemoryFiles& files_;
        std::shared_ptr<Content> content_;
    };

    std::map<std::string, std::shared_ptr<Content>> files_;
};

}  // namespace weir::test
