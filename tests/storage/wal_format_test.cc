#include "storage/wal_format.h"

#include <gtest/gtest.h>

#include <bit>
#include <string>

#include "base/crc32c.h"
#include "tests/storage/wal_testing.h"

namespace kvorum::storage::wal {
namespace {

constexpr uint32_t kSalt = 77;

// The records of a sealed frame, as a reader gets at them.
std::string records_of(std::string_view frame, uint64_t sequence) {
  FrameHeader header;
  EXPECT_TRUE(decode_frame_header(frame, kSalt, header));
  EXPECT_EQ(header.sequence, sequence);
  EXPECT_EQ(frame.size(), frame_disk_bytes(header.record_bytes));
  std::string content(frame);
  join_sectors(content);
  EXPECT_TRUE(checksum_matches(content, kSalt, header));
  return content.substr(kFrameHeaderBytes, header.record_bytes);
}

TEST(WalFormat, SegmentHeaderComesBackAsItWas) {
  std::string bytes = encode(SegmentHeader{1, 2, 3, 4096});
  ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
  auto header = decode_segment_header(bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->log_id, 1U);
  EXPECT_EQ(header->sequence, 2U);
  EXPECT_EQ(header->first_frame, 3U);
  EXPECT_EQ(header->file_bytes, 4096U);
}

TEST(WalFormat, SegmentHeaderOfANewerVersionIsNamedSo) {
  std::string bytes = encode(SegmentHeader{1, 2, 3, 4096});
  put_u32_le(bytes.data() + 8, kFormatVersion + 1);
  put_u32_le(bytes.data() + kSegmentHeaderBytes - 4,
             crc32c(std::string_view(bytes).substr(0, kSegmentHeaderBytes - 4)));
  auto header = decode_segment_header(bytes);
  ASSERT_FALSE(header);
  EXPECT_NE(header.error().message.find("its format is version 2"), std::string::npos)
      << header.error().message;
}

TEST(WalFormat, SegmentNamesHaveOneSpelling) {
  EXPECT_EQ(segment_name(0x1f), "000000000000001f.wal");
  uint64_t sequence = 0;
  ASSERT_TRUE(parse_segment_name("000000000000001f.wal", sequence));
  EXPECT_EQ(sequence, 0x1fU);
  for (const char* name :
       {"000000000000001F.wal", "1f.wal", "000000000000001f", "", ".wal", "-00000000000001f.wal",
        "000000000000001g.wal", "000000000000001f.wal.new"}) {
    EXPECT_FALSE(parse_segment_name(name, sequence)) << name;
  }
}

TEST(WalFormat, StampsAreFarFromZeroAndFromEachOther) {
  for (uint64_t frame = 0; frame < 10'000; ++frame) {
    uint32_t stamp = frame_stamp(kSalt, frame);
    EXPECT_GE(std::popcount(stamp), 8);
    EXPECT_NE(stamp, frame_stamp(kSalt, frame + 1));
  }
}

TEST(WalFormat, FramesOfEverySizeComeBackAsTheyWere) {
  FrameBuilder builder;
  for (size_t bytes = 0; bytes < 1600; ++bytes) {
    auto entry = make_entry(3, 9, std::string(bytes, '\0'));
    builder.clear();
    builder.add(*entry);
    const uint64_t expected_bytes = builder.disk_bytes();
    std::string frame(builder.seal(kSalt, bytes + 1));
    ASSERT_EQ(frame.size(), expected_bytes);
    for (size_t at = 0; at < frame.size(); at += kSectorBytes) {
      ASSERT_EQ(sector_stamp(std::string_view(frame).substr(at, kSectorBytes)),
                frame_stamp(kSalt, bytes + 1));
    }
    std::string records = records_of(frame, bytes + 1);
    RecordReader reader(records);
    Record record;
    ASSERT_TRUE(reader.next(record));
    const auto& found = std::get<EntryRecord>(record);
    EXPECT_EQ(found.id, entry->id);
    EXPECT_EQ(found.kind, entry->kind);
    EXPECT_EQ(found.stamp, entry->stamp);
    EXPECT_EQ(found.data, entry->data);
    EXPECT_FALSE(reader.next(record));
    EXPECT_TRUE(reader.ok());
  }
}

TEST(WalFormat, RecordsOfAllKindsFollowEachOther) {
  const raft::EntryId last{raft::Term(4), raft::Index(1ULL << 40)};
  FrameBuilder builder;
  EXPECT_TRUE(builder.empty());
  builder.add_start(last);
  builder.add_reset(last);
  builder.add(make_hard_state(5, ~0ULL, 6));
  EXPECT_FALSE(builder.empty());
  std::string records = records_of(builder.seal(kSalt, 1), 1);
  RecordReader reader(records);
  Record record;
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(std::get<StartRecord>(record).last, last);
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(std::get<ResetRecord>(record).last, last);
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(std::get<raft::HardState>(record), make_hard_state(5, ~0ULL, 6));
  EXPECT_FALSE(reader.next(record));
  EXPECT_TRUE(reader.ok());
}

TEST(WalFormat, RecordsThatAreCutOrUnknownAreNotOk) {
  FrameBuilder builder;
  builder.add(*make_entry(1, 1, "value"));
  std::string records = records_of(builder.seal(kSalt, 1), 1);
  Record record;
  for (size_t bytes = 1; bytes < records.size(); ++bytes) {
    RecordReader reader(std::string_view(records).substr(0, bytes));
    EXPECT_FALSE(reader.next(record));
    EXPECT_FALSE(reader.ok()) << bytes;
  }
  RecordReader unknown("\x09");
  EXPECT_FALSE(unknown.next(record));
  EXPECT_FALSE(unknown.ok());
}

TEST(WalFormat, FrameOfAnotherSegmentIsNone) {
  FrameBuilder builder;
  builder.add(*make_entry(1, 1));
  std::string frame(builder.seal(SegmentHeader{1, 1, 1, 0}.salt(), 1));
  FrameHeader header;
  EXPECT_TRUE(decode_frame_header(frame, SegmentHeader{1, 1, 1, 0}.salt(), header));
  EXPECT_FALSE(decode_frame_header(frame, SegmentHeader{1, 2, 1, 0}.salt(), header));
  EXPECT_FALSE(decode_frame_header(frame, SegmentHeader{2, 1, 1, 0}.salt(), header));
}

// Version 1 is what is on disks: these bytes never change.
TEST(WalFormat, VersionOneStaysAsItIs) {
  FaultFileSystem files;
  {
    OpenLog log = open_log(files);
    ASSERT_TRUE(log.wal) << log.error;
    append(*log.wal, {make_entry(1, 1, "one"), make_entry(1, 2, std::string(1000, 'x'))},
           make_hard_state(1, 7, 0));
  }
  std::string bytes = files.contents(segment_path(1));
  ASSERT_EQ(bytes.size(), 16U << 10);
  EXPECT_EQ(crc32c(bytes), 3339305864U);
}

}  // namespace
}  // namespace kvorum::storage::wal
